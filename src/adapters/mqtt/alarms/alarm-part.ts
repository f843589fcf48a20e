/** `<group>/alarm`: what is wrong with the groups of this host, by what all their hosts say and hear. */

import type { CreatePart, Part } from '../part.ts';
import type { AlarmReport } from '../payloads.ts';
import { groupTopic, memberTopic } from '../topics.ts';
import { alarmFilters } from './alarm-filters.ts';
import { type Glimpse, Lookout } from './alarm-lookout.ts';
import { contradictedAt } from './alarm-masters.ts';
import { type AlarmChange, AlarmMemory } from './alarm-memory.ts';
import { suspicions } from './alarm-rules.ts';
import type { GroupSight } from './alarm-sight.ts';
import { groupInterval } from './alarm-suspicion.ts';

/** What the broker had kept comes within moments of the subscription; nothing is judged before. */
const SETTLE_MS = 1000;
/** How often a group is looked at in which nothing has happened: somebody's state may have expired. */
const LOOK_MS = 1000;
/** How many groups are looked at in one go: adverts and leases have to leave meanwhile. The others are next. */
const LOOKS_MAX = 64;
/** Two that both think it is theirs to write do not write over each other more often than this. */
const REWRITE_MS = 2000;
/** What was said is stale after so many refreshes, where nothing expires. */
const REFRESHES = 3;

/** What is known of a group of this host. */
interface Watched {
  readonly sync?: string;
  readonly memory: AlarmMemory;
  isDirty: boolean;
  lookedAt: number;
  /** Its content without the time, while this host writes the alarm. */
  written?: string;
  writtenAt: number;
  repeatedAt: number;
}

/**
 * Each host compares and logs; the first online one by name writes. Nothing here reaches the election: it reads the bus,
 * and what it finds goes to the bus, the log and `carp status`.
 */
export const alarmPart: CreatePart = (context): Part => {
  const { host, voice, scope, settings, now, wallClock, log, report } = context;
  if (!settings.alarms) return { filters: [] };
  const staleMs = (settings.expiry > 0 ? settings.expiry : REFRESHES * settings.refresh) * 1000;
  const refreshMs = settings.refresh * 1000;
  const watched = new Map<string, Watched>();
  const lookout = new Lookout({ base: scope.base, staleMs, isWatched: (group) => watched.has(group) });
  let filters: readonly string[] = [];
  let begunAt: number | undefined;
  let heardAt = now();
  let followedAt = now();
  let reported = '[]';

  /** Follows the configuration. */
  const follow = (): void => {
    followedAt = now();
    const configured = host.groups();
    const groups = configured.map(({ group }) => group);
    const isSame = configured.every(({ group, sync }) => watched.has(group) && watched.get(group)?.sync === sync);
    if (groups.length === watched.size && isSame) return;
    for (const group of watched.keys()) if (!groups.includes(group)) leave(group);
    for (const { group, sync } of configured)
      if (watched.get(group)?.sync !== sync || !watched.has(group)) {
        const never = Number.NEGATIVE_INFINITY;
        watched.set(group, {
          ...(sync === undefined ? {} : { sync }),
          memory: new AlarmMemory(),
          isDirty: true,
          lookedAt: never,
          writtenAt: never,
          repeatedAt: never,
        });
      }
    filters = alarmFilters(scope.base, groups);
  };

  const isLast = (group: string): boolean => lookout.watchersOf(group, now()).every((node) => node === scope.node);

  /** The last host of a group takes its alarm back; others leave it to the next one. */
  const leave = (group: string): void => {
    const topic = groupTopic(scope, group, 'alarm');
    if (isLast(group)) voice.clear(topic);
    else voice.leave(topic);
    watched.delete(group);
  };

  const look = (): void => {
    // One moment for all: what several groups have in common is looked at once.
    const at = now();
    const date = wallClock();
    const isWorthALook = ({ isDirty, memory, lookedAt }: Watched): boolean =>
      isDirty || !memory.isIdle || at - lookedAt >= LOOK_MS;
    const next = [...watched]
      .filter(([, state]) => isWorthALook(state))
      .sort(([, one], [, other]) => one.lookedAt - other.lookedAt)
      .slice(0, LOOKS_MAX);
    for (const [group, state] of next) {
      state.isDirty = false;
      state.lookedAt = at;
      const sight = lookout.sightOf(group, at);
      insist(sight, state);
      const changes = state.memory.update(suspicions(sight), {
        now: at,
        wallClock: date,
        holdMs: groupInterval(sight),
      });
      for (const change of changes) say(group, change);
      write(group, state);
    }
    tellHost();
  };

  /** Somebody says that another is MASTER. A host that lives and is MASTER says so again; one that is dead cannot. */
  const insist = (sight: GroupSight, state: Watched): void => {
    const self = sight.members.find(({ node }) => node === scope.node);
    const at = self === undefined ? undefined : contradictedAt(self, sight);
    if (self === undefined || at === undefined || (self.saidAt ?? Number.NEGATIVE_INFINITY) >= at) return;
    if (now() - state.repeatedAt < groupInterval(sight)) return;
    state.repeatedAt = now();
    const topic = memberTopic(scope, sight.group, 'state');
    voice.repeat((kept) => kept === topic);
  };

  const write = (group: string, state: Watched): void => {
    const topic = groupTopic(scope, group, 'alarm');
    const [first = scope.node] = lookout.watchersOf(group, now());
    // This host is online, whether the bus has told it yet or not.
    if (first < scope.node) {
      resign(group, state);
      return;
    }
    const { alarms } = state.memory;
    const content = JSON.stringify(alarms);
    const other = lookout.alarmOf(group);
    const isOverwritten = state.written !== undefined && other?.by !== scope.node;
    const isNews = state.written !== content || (isOverwritten && now() - state.writtenAt >= REWRITE_MS);
    if (!isNews && now() - state.writtenAt < refreshMs) return;
    const active = alarms.length > 0;
    const message: AlarmReport = { active, alarms, group, by: scope.node, at: wallClock().toISOString() };
    state.written = content;
    state.writtenAt = now();
    voice.keep(topic, JSON.stringify(message), { lane: 'background', expires: true, again: true });
  };

  /** Writes no more, and leaves what it has written. */
  const resign = (group: string, state: Watched): void => {
    if (state.written === undefined) return;
    delete state.written;
    state.writtenAt = Number.NEGATIVE_INFINITY;
    voice.leave(groupTopic(scope, group, 'alarm'));
  };

  /** The next connection is not to begin with what was wrong before. Others may have written since. */
  const lose = (): void => {
    lookout.lost();
    for (const [group, state] of watched) resign(group, state);
  };

  const say = (group: string, { type, code, suspicion: { what, remedy } }: AlarmChange): void => {
    const fields = { node: scope.node, group, code };
    if (type === 'raised') log('error', `alarm ${code}: ${what}`, { ...fields, remedy });
    else log('info', `alarm ${code} is over: ${what}`, fields);
  };

  const tellHost = (): void => {
    const troubles = [...watched].flatMap(([group, { memory }]) =>
      memory.raised.map(({ suspicion: { code, what, remedy } }) => ({ code, group, message: what, remedy })),
    );
    const content = JSON.stringify(troubles);
    if (content !== reported) report(troubles);
    reported = content;
  };

  /** What was known is stale by now. */
  const forget = (): void => {
    if (reported !== '[]')
      log('info', 'alarms cannot be judged without the broker, and are forgotten', { node: scope.node });
    for (const state of watched.values()) state.memory.clear();
    tellHost();
  };

  /** A move in one group of a sync is news for all of them. */
  const isTouched = (group: string, { sync }: Watched, glimpse: Glimpse & { readonly type: 'group' }): boolean =>
    group === glimpse.group || (glimpse.hasMoved && sync !== undefined && sync === watched.get(glimpse.group)?.sync);

  follow();
  return {
    get filters() {
      return filters;
    },
    begin: () => {
      begunAt = now();
      follow();
    },
    heard: (message) => {
      const glimpse = lookout.heard(message, now());
      if (glimpse === undefined) return;
      for (const [group, state] of watched)
        state.isDirty ||= glimpse.type === 'node' || isTouched(group, state, glimpse);
    },
    tick: () => {
      if (now() - followedAt >= LOOK_MS) follow();
      if (!voice.connected()) {
        // Not when the next connection begins: what the broker had kept may have come by then.
        if (begunAt !== undefined) lose();
        begunAt = undefined;
        if (now() - heardAt > staleMs) forget();
        return;
      }
      if (begunAt === undefined || now() - begunAt < SETTLE_MS) return;
      heardAt = now();
      look();
    },
    end: () => {
      // Nobody is left to say that it is over.
      for (const [group, { written }] of watched)
        if (written !== undefined && isLast(group)) voice.clear(groupTopic(scope, group, 'alarm'));
    },
  };
};
