/**
 * Packets that receivers refuse. Their totals are always right. By source they are counted for as many as fit into
 * memory: in a flood of forged sources, those that were heard once give way, so that nobody can hide the others.
 */
import type { Refused, SegmentChange, Trouble } from './segment-events.ts';

/** Sources whose refused packets are counted apart from each other. */
export const REFUSED_MAX = 256;

export interface Refusals {
  readonly totals: Readonly<Partial<Record<Trouble, number>>>;
  /** How many packets of one kind from one source; whoever has been silent the longest comes first. */
  readonly sources: ReadonlyMap<string, number>;
}

export const NO_REFUSALS: Refusals = { totals: {}, sources: new Map() };

export type Refusal = Refused & { readonly why: Trouble };

const keyOf = ({ why, source, vhid, vlan, interface: port }: Refusal): string =>
  [why, source, vhid, vlan, port].join(' ');

const NOTHING: readonly SegmentChange[] = [];

/** Counts a packet. What is worth telling are the 1st, 10th, 100th … of a source. */
export const countRefusal = (
  { totals, sources }: Refusals,
  refusal: Refusal,
): readonly [refusals: Refusals, changes: readonly SegmentChange[]] => {
  const { why } = refusal;
  const key = keyOf(refusal);
  const times = (sources.get(key) ?? 0) + 1;
  const next = new Map(sources);
  if (times === 1 && next.size >= REFUSED_MAX) next.delete(victim(sources));
  // It is the last one now that was heard.
  next.delete(key);
  next.set(key, times);
  const refusals = { totals: { ...totals, [why]: (totals[why] ?? 0) + 1 }, sources: next };
  return [refusals, Number.isInteger(Math.log10(times)) ? [{ event: 'refused', times, ...refusal }] : NOTHING];
};

/** The first of those that were heard once, or of all. */
const victim = (sources: Refusals['sources']): string => {
  for (const [key, times] of sources) if (times === 1) return key;
  const [first = ''] = sources.keys();
  return first;
};
