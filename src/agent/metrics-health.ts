import type { GroupStatus } from '../engine/status.ts';

/** Reasons in the ledger by which the agent says that it cannot do its work. What others demote it for is no fault of it. */
const FAULTS: Readonly<Record<string, string>> = {
  stalled: 'the process that owns the agent does not answer',
  'send-errors': 'adverts cannot be sent',
  'address-failed': 'the shared addresses could not be held',
};

/**
 * Why a group does not work; undefined if it does, as MASTER or as BACKUP. In maintenance, or demoted by an operator, a
 * flow or a check, it still does: it is only no good choice for MASTER.
 */
export const failureOf = ({ role, detail, problem, ledger }: GroupStatus): string | undefined => {
  if (problem !== undefined) return problem.message;
  if (role === 'INIT' || role === 'STOPPED') return detail;
  const fault = ledger.find(({ reason }) => Object.hasOwn(FAULTS, reason));
  return fault === undefined ? undefined : FAULTS[fault.reason];
};
