/** How one virtual host of a segment stands now, for those who show it beside what changes. */
import type { Segment } from './segment.ts';
import type { VirtualHost } from './segment-memory.ts';
import { roleOf } from './segment-report.ts';
import { keyOfPlace, type Place } from './segment-speaker.ts';

export interface SegmentStanding extends Place {
  /** Where those who speak for it now speak from, in both families. */
  readonly masters: readonly string[];
  /** Hosts that speak for it now. One that does so in both families is one; their MACs may all be the same virtual one. */
  readonly speakers: number;
  /** Two speak at once, and do not end it. */
  readonly disputed: boolean;
}

/** @returns `undefined` for a virtual host that is not known (any more) */
export const standingOf = (segment: Segment, place: Place): SegmentStanding | undefined => {
  const host = segment.hosts.get(keyOfPlace(place));
  return host && standing(host, segment.clock?.now ?? 0);
};

export const standingsOf = ({ hosts, clock }: Segment): readonly SegmentStanding[] =>
  [...hosts.values()].map((host) => standing(host, clock?.now ?? 0));

const standing = (host: VirtualHost, now: number): SegmentStanding => {
  const speaking = host.speakers.filter((each) => roleOf(host, each, now) === 'MASTER');
  const { 4: reign4, 6: reign6 } = host.reigns;
  return {
    ...host.place,
    masters: speaking.map(({ who }) => who.source),
    speakers: Math.max(...[4, 6].map((family) => speaking.filter(({ who }) => who.family === family).length)),
    disputed: reign4.dispute !== undefined || reign6.dispute !== undefined,
  };
};
