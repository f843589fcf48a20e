/**
 * What is wrong with a group: a pure function of what its hosts say on the bus and hear on the wire.
 *
 * Only hosts count that are online, and only what they have said within the expiry, by the time at which it was heard
 * here: clocks of hosts differ. An alarm is raised when its condition has lasted for its patience, and cleared when it has
 * been gone for one interval (`AlarmMemory`). What happens in every group has to pass within that time:
 *
 * - A preemption or a hand-over. Two hosts say MASTER for some milliseconds, until the first has said BACKUP.
 * - A takeover after a power cut. The dead host is online for one and a half keepalives yet, and MASTER by what it said
 *   last. So of two MASTERs each must have said it since the other did; a MASTER that sees another on the bus repeats its
 *   state at once (`alarmPart`), and a dead one cannot.
 * - The start of hosts. Nobody is MASTER until one has listened for its master-down time, or has waited for its link.
 *   A host that has just joined the bus knows only what was there before, and cannot tell the living from the dead.
 * - A crash of a MASTER without anybody to take over is no such case: nobody is MASTER, and nobody will be.
 * - Groups of one sync move each at its own time: their adverts are up to an interval apart, and so are their timers.
 *
 * A split that is over before its alarm is raised raises none: the hosts' events tell of it.
 */
import { differentAddresses, differentVhid, duplicateNode, mixedSync } from './alarm-agreement.ts';
import { noMaster, oneWay, twoMasters } from './alarm-masters.ts';
import type { GroupSight } from './alarm-sight.ts';
import type { Rule, Suspicion } from './alarm-suspicion.ts';

const RULES: readonly Rule[] = [
  twoMasters,
  noMaster,
  oneWay,
  mixedSync,
  differentVhid,
  differentAddresses,
  duplicateNode,
];

/** All that is wrong with a group now. */
export const suspicions = (sight: GroupSight): readonly Suspicion[] => RULES.flatMap((rule) => rule(sight));
