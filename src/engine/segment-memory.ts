/**
 * Who is remembered. Anybody on the segment can forge any number of senders, so memory is bounded: whoever has been
 * heard three times and still speaks keeps its place, and of the others the one that was silent the longest gives way.
 */

import type { Reign } from './segment-reign.ts';
import { isEstablished, type Place, type Speaker } from './segment-speaker.ts';

/** Virtual hosts that are remembered: all 255 ids of both protocols, or some of each of many VLANs. */
export const PLACES_MAX = 512;
/** Speakers of one virtual host. */
export const SPEAKERS_MAX = 32;
export interface VirtualHost {
  readonly place: Place;
  readonly speakers: readonly Speaker[];
  readonly reigns: { readonly 4: Reign; readonly 6: Reign };
  readonly toldClash: boolean;
  /** When it has to be looked at again, if nobody says anything before; on the segment's clock. */
  readonly due: number;
}

export type VirtualHosts = ReadonlyMap<string, VirtualHost>;

/** Where another speaker can stand; `undefined` if all places are taken by known ones. */
export const withRoom = (speakers: readonly Speaker[]): readonly Speaker[] | undefined => {
  if (speakers.length < SPEAKERS_MAX) return speakers;
  const victim = weakest(speakers);
  return victim === undefined ? undefined : speakers.filter((each) => each !== victim);
};

/** Those who are not established give way first, then those who are silent. */
const weakest = (speakers: readonly Speaker[]): Speaker | undefined => {
  const weak = speakers.filter((each) => !isEstablished(each));
  const candidates = weak.length > 0 ? weak : speakers.filter(({ state }) => state !== 'speaking');
  return candidates.reduce<Speaker | undefined>((a, b) => (a !== undefined && a.last <= b.last ? a : b), undefined);
};

/** The same for virtual hosts. */
export const withPlace = (hosts: VirtualHosts): VirtualHosts | undefined => {
  if (hosts.size < PLACES_MAX) return hosts;
  let victim: string | undefined;
  let oldest = Number.POSITIVE_INFINITY;
  for (const [key, { speakers }] of hosts) {
    const last = lastWord(speakers);
    if (last >= oldest || speakers.some((each) => isEstablished(each) && each.state === 'speaking')) continue;
    victim = key;
    oldest = last;
  }
  if (victim === undefined) return undefined;
  const rest = new Map(hosts);
  rest.delete(victim);
  return rest;
};

const lastWord = (speakers: readonly Speaker[]): number =>
  speakers.reduce((last, each) => Math.max(last, each.last), Number.NEGATIVE_INFINITY);
