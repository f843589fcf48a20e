/** `<group>/node/<node>/stats`: counters and times of a group, at most every ten seconds. */
import type { GroupStatus } from '../../engine/status.ts';
import type { CreatePart } from './part.ts';
import { memberTopic } from './topics.ts';

const APART_MS_MIN = 10_000;

export const statisticsPart: CreatePart = ({ host, voice, scope, settings, now, wallClock }) => {
  const apart = Math.max(APART_MS_MIN, settings.refresh * 1000);
  let toldAt = Number.NEGATIVE_INFINITY;

  const tell = (): void => {
    toldAt = now();
    const at = wallClock().toISOString();
    for (const group of host.status().groups)
      voice.keep(memberTopic(scope, group.group, 'stats'), JSON.stringify({ ...statisticsOf(group), at }), {
        lane: 'background',
        expires: true,
      });
  };

  return {
    filters: [],
    begin: () => {
      if (now() - toldAt >= apart) tell();
    },
    tick: () => {
      if (now() - toldAt >= apart) tell();
    },
  };
};

/** Times in ms, where the name does not say s. */
const statisticsOf = ({
  since,
  seq,
  intervalMs,
  masterDownMs,
  leaseSeconds,
  lastAdvertMs,
  counters,
  ledger,
  problem,
}: GroupStatus) => ({
  since,
  transitions: seq,
  intervalMs,
  masterDownMs,
  ...(leaseSeconds === undefined ? {} : { leaseSeconds }),
  ...(lastAdvertMs === undefined ? {} : { lastAdvertMs }),
  counters,
  ledger,
  ...(problem === undefined ? {} : { problem }),
});
