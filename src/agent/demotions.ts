import type { HandOverReceipt, Host } from '../engine/host.ts';
import type { CarpEvent, PublicRole } from '../engine/status.ts';
import { CarpError } from '../ports/error.ts';

/** What a change of the demotion ledger has led to, for one group. */
export interface DemotedGroup {
  readonly group: string;
  /** Before the change. */
  readonly previous: PublicRole;
  /** Now: still MASTER with a demotion of 240 or more means that nobody took over. */
  readonly role: PublicRole;
  /** Sum of all weights now. */
  readonly demotion: number;
  /** Who took over, if the change made a MASTER hand over. */
  readonly handedOver?: HandOverReceipt;
}

/** A weight from which on a MASTER hands over (DESIGN D6). */
export const HAND_OVER_WEIGHT = 240;
export const WEIGHT_MAX = 65_535;
/** 30 days; what is to last longer is maintenance. */
export const FOR_MS_MAX = 30 * 86_400_000;

/**
 * Changes the ledger of a host, and waits for the farewells that come of it (1.5 s at most).
 *
 * @param group - what the change is about; missing: all groups
 */
export const outcomeOf = async (
  engine: Host,
  group: string | undefined,
  change: () => void,
): Promise<readonly DemotedGroup[]> => {
  const concerned = (): readonly CarpEvent[] => engine.snapshots(group);
  const before = concerned();
  change();
  const receipts = await Promise.all(before.map((one) => receiptOf(engine, one.group)));
  const after = new Map(concerned().map((one) => [one.group, one]));
  return before.map((one, i) => {
    const { role, demotion } = after.get(one.group) ?? one;
    const handedOver = receipts[i];
    const standing = { group: one.group, previous: one.role, role, demotion };
    return handedOver === undefined ? standing : { ...standing, handedOver };
  });
};

const receiptOf = async (engine: Host, group: string): Promise<HandOverReceipt | undefined> => {
  try {
    return await engine.farewell(group);
  } catch (error) {
    // The role says it: still MASTER.
    if (error instanceof CarpError) return undefined;
    throw error;
  }
};
