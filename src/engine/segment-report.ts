/** All that is known of a segment, as plain data. */
import type { Segment } from './segment.ts';
import { isoOf } from './segment-clock.ts';
import type { Trouble } from './segment-events.ts';
import type { VirtualHost } from './segment-memory.ts';
import { type DigestVerdict, keyOfSpeaker, lateAt, type Rank, type Speaker, type Who } from './segment-speaker.ts';
import type { SystemGuess } from './segment-system.ts';

export interface SpeakerReport extends Who {
  /** `MASTER` while it speaks; `refused`: it speaks, and nobody takes it; `silent`: BACKUP again, or gone. */
  readonly role: 'MASTER' | 'refused' | 'silent' | 'bowed-out';
  readonly version: 2 | 3;
  readonly rank: Rank;
  readonly intervalMs: number;
  readonly ttl: number;
  readonly adverts: number;
  readonly duplicates: number;
  readonly firstHeard: string;
  readonly lastHeard: string;
  readonly digest: DigestVerdict;
  readonly addresses: readonly string[];
  readonly self: boolean;
  readonly system: SystemGuess['system'];
  readonly candidates: SystemGuess['candidates'];
  readonly reasons: SystemGuess['reasons'];
}

/** One wire: a VLAN of one interface. */
export interface WireReport {
  readonly vlan?: string;
  readonly interface?: number;
  /** Ids of CARP and of VRRP, and those of virtual MACs. */
  readonly used: readonly number[];
  /** A few that nobody uses, the lowest first. */
  readonly free: readonly number[];
}

export interface SegmentReport {
  readonly speakers: readonly SpeakerReport[];
  /** Those on which somebody speaks; if nobody does anywhere, the one without a VLAN. */
  readonly wires: readonly WireReport[];
  /** Virtual hosts of which two speak at once. */
  readonly disputes: readonly (readonly [Who, Who])[];
  readonly refused: Readonly<Partial<Record<Trouble, number>>>;
  readonly frames: number;
  readonly packets: number;
  readonly dropped: number;
  readonly untold: number;
}

/** `now` is on the clock of the segment. */
export const roleOf = ({ reigns }: VirtualHost, speaker: Speaker, now: number): SpeakerReport['role'] => {
  if (speaker.state !== 'speaking') return speaker.state;
  if (!speaker.counts) return 'refused';
  const isMaster = reigns[speaker.who.family].master === keyOfSpeaker(speaker.who);
  return isMaster || now < lateAt(speaker) ? 'MASTER' : 'silent';
};

const speakerReport = (host: VirtualHost, speaker: Speaker, now: number): SpeakerReport => {
  const { who, version, rank, intervalMs, ttl, adverts, duplicates, digest, addresses, self, guess } = speaker;
  return {
    ...who,
    role: roleOf(host, speaker, now),
    version,
    rank,
    intervalMs,
    ttl,
    adverts,
    duplicates,
    firstHeard: isoOf(speaker.firstAt),
    lastHeard: isoOf(speaker.lastAt),
    digest,
    addresses,
    self,
    ...guess,
  };
};

const IDS = Array.from({ length: 255 }, (_, i) => i + 1);
/** As many as a person wants to choose from. */
const FREE_MAX = 5;

/** The last byte of a virtual MAC is an id, whatever the advert inside says. */
const idOfMac = (mac: string): readonly number[] =>
  /^00:00:5e:00:0[12]:/.test(mac) ? [Number.parseInt(mac.slice(-2), 16)] : [];

const wireReports = (hosts: readonly VirtualHost[]): readonly WireReport[] => {
  const wires = new Map<string, { readonly host: VirtualHost; readonly used: Set<number> }>();
  for (const host of hosts) {
    const { vlan = '', interface: port = '', vhid } = host.place;
    const key = `${vlan} ${port}`;
    const wire = wires.get(key) ?? { host, used: new Set<number>() };
    wires.set(key, wire);
    wire.used.add(vhid);
    for (const { who } of host.speakers) for (const id of idOfMac(who.mac ?? '')) if (id > 0) wire.used.add(id);
  }
  if (wires.size === 0) return [{ used: [], free: IDS.slice(0, FREE_MAX) }];
  return [...wires.values()].map(({ host: { place }, used }) => ({
    ...(place.vlan === undefined ? {} : { vlan: place.vlan }),
    ...(place.interface === undefined ? {} : { interface: place.interface }),
    used: [...used].sort((a, b) => a - b),
    free: IDS.filter((id) => !used.has(id)).slice(0, FREE_MAX),
  }));
};

const disputesOf = ({ reigns }: VirtualHost): readonly (readonly [Who, Who])[] =>
  [reigns[4], reigns[6]].flatMap(({ known, dispute }) =>
    known === undefined || dispute === undefined ? [] : [[known.who, dispute.rival] as const],
  );

/** @returns speakers by wire, virtual host and source */
export const segmentReport = (segment: Segment): SegmentReport => {
  const { clock, frames, packets, dropped, news } = segment;
  const now = clock?.now ?? 0;
  const order = ({ place }: VirtualHost): string =>
    `${place.interface ?? ''} ${place.vlan ?? ''} ${String(place.vhid).padStart(3)} ${place.protocol}`;
  const hosts = [...segment.hosts.values()].sort((a, b) => (order(a) < order(b) ? -1 : 1));
  return {
    speakers: hosts.flatMap((host) =>
      host.speakers
        .toSorted((a, b) => a.who.family - b.who.family || (a.who.source < b.who.source ? -1 : 1))
        .map((each) => speakerReport(host, each, now)),
    ),
    wires: wireReports(hosts),
    disputes: hosts.flatMap(disputesOf),
    refused: segment.refusals.totals,
    frames,
    packets,
    dropped,
    untold: news.untold,
  };
};
