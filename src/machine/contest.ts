import { compareAddresses, type IpAddress, sameAddress } from '../protocol/address.ts';
import type { Millis } from '../protocol/units.ts';
import type { HeardAdvert } from './events.ts';
import type { MachineSettings } from './settings.ts';
import type { Reign, State, TiedRival } from './state.ts';
import { countNow, intervalNow, masterDownMs, TIE_PATIENCE } from './timings.ts';

/** Two hosts that both speak for a group: who goes on (DESIGN D3). */
export type Verdict =
  | { readonly winner: 'other'; readonly reason: 'better-master' | 'tie'; readonly detail: string }
  | { readonly winner: 'self'; readonly tied: boolean }
  /** A tie on IPv6 that IPv4 will settle. */
  | { readonly winner: 'undecided' };

/**
 * Which of two tied addresses wins. It has to be the rival's rule as well: if both believe that they win, patience ends
 * it; if both believe that they lose (ucarp in another subnet, without its profile), letting the other pass does.
 */
const beats = (a: IpAddress, b: IpAddress, tieBreak: MachineSettings['tieBreak']): boolean => {
  if (tieBreak === 'numeric') return compareAddresses(a, b) < 0;
  const reversed = ({ bytes, ...address }: IpAddress): IpAddress => ({ ...address, bytes: bytes.toReversed() });
  return compareAddresses(reversed(a), reversed(b)) < 0;
};

/** What is known of a tied rival. One that was silent for a master-down time is a new one: its old adverts do not count. */
export const tiedRival = (
  { source, family }: HeardAdvert,
  at: Millis,
  reign: Reign,
  state: State,
  settings: MachineSettings,
): TiedRival => {
  const known = reign.tied?.[family];
  return known !== undefined && sameAddress(known.source, source) && at - known.heardAt < masterDownMs(state, settings)
    ? { ...known, heardAt: at }
    : { source, sentBefore: reign.sent, since: at, heardAt: at };
};

/**
 * Ties are judged on IPv4 if the group has it. On IPv6 only when that rival has been there for one master-down time
 * and nobody was heard on IPv4 meanwhile: the two families could otherwise come to different results.
 */
const ipv4Settles = (
  heard: HeardAdvert,
  at: Millis,
  rival: TiedRival,
  state: State,
  settings: MachineSettings,
): boolean => {
  if (heard.family === 4 || !settings.families.includes(4)) return false;
  const patience = masterDownMs(state, settings);
  const heardOnIpv4 = state.heardIpv4At !== undefined && at - state.heardIpv4At < patience;
  return heardOnIpv4 || at - rival.since < patience;
};

export const judge = (
  heard: HeardAdvert,
  at: Millis,
  reign: Reign,
  state: State,
  settings: MachineSettings,
): Verdict => {
  const mine = intervalNow(state, settings);
  const { source } = heard;
  // OpenBSD's rule for its count in byte 4: whoever has the lower one wins, whatever the intervals are.
  const count = countNow(state, settings);
  if (heard.demotion < count)
    return {
      winner: 'other',
      reason: 'better-master',
      detail: `${source.text} has the demotion count ${heard.demotion}, this host ${count}`,
    };
  if (heard.demotion > count) return { winner: 'self', tied: false };
  if (heard.interval < mine)
    return {
      winner: 'other',
      reason: 'better-master',
      detail: `${source.text} advertises every ${heard.interval}/256 s, this host every ${mine}/256 s`,
    };
  if (heard.interval > mine) return { winner: 'self', tied: false };
  const rival = tiedRival(heard, at, reign, state, settings);
  if (ipv4Settles(heard, at, rival, state, settings)) return { winner: 'undecided' };

  const tie = (why: string): Verdict => ({
    winner: 'other',
    reason: 'tie',
    detail: `${source.text} advertises every ${mine}/256 s as well, and ${why}`,
  });
  const own = state.sources[heard.family];
  if (own === undefined) return tie(`this host has no IPv${heard.family} address to compare`);
  if (sameAddress(own, source)) return tie('its address is this host’s own');
  if (beats(source, own, settings.tieBreak)) return tie(`its address wins over ${own.text}`);
  const unheard = reign.sent - rival.sentBefore;
  return unheard >= TIE_PATIENCE
    ? tie(`goes on after ${unheard} adverts of this host`)
    : { winner: 'self', tied: true };
};
