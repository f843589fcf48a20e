/**
 * Who this host is: `node/<node>/status` and `node/<node>/info`; and what becomes of two hosts with one name.
 *
 * Each agent has an instance id of its own. Whoever hears another one in the information about his own node, and not
 * retained, has a twin. Both say so, and the one that started later stands aside: it takes nothing back, says nothing any
 * more except a sign of life that is not retained, and comes back when its twin has gone. So nobody takes turns at
 * writing the same topics.
 */
import { hostname } from 'node:os';
import { addressFingerprint } from './fingerprint.ts';
import type { BusGroup, CreatePart, PartContext } from './part.ts';
import type { NodeInfo } from './payloads.ts';
import { commandsOf } from './settings.ts';
import { nodeTopic } from './topics.ts';

/** What of a host lets a twin decide. */
interface Instance {
  readonly instance: string;
  readonly startedAt: string;
  readonly hostname: string;
}

interface Twin extends Instance {
  heardAt: number;
}

/** How many twins are told apart; more are as bad as these. */
const TWINS_MAX = 16;
/** A twin that says nothing for so many refreshes has gone. */
const REFRESHES = 3;
/** When what a twin may have written over is told again. */
const REPAIR_MS = 2000;
const PAYLOAD_MAX = 1024 * 1024;

export interface PresenceOptions {
  /** Called with true when this host has to be silent for the sake of its twin, with false when it may speak again. */
  readonly standAside: (aside: boolean) => void;
  /** Everything that is kept is told anew. */
  readonly repeat: () => void;
}

export const presencePart =
  ({ standAside, repeat }: PresenceOptions): CreatePart =>
  (context) => {
    const { host, voice, scope, settings, now, log, report } = context;
    const status = nodeTopic(scope, 'status');
    const info = nodeTopic(scope, 'info');
    const twins = new Map<string, Twin>();
    let aside = false;
    let toldAt = Number.NEGATIVE_INFINITY;
    let repairAt: number | undefined;
    let saidInfo = '';
    let saidGroups: readonly BusGroup[] | undefined;

    const sayInfo = (again: boolean): void => {
      // Fingerprints of 255 groups take milliseconds, in which no advert leaves.
      const groups = host.groups();
      if (!again && groups === saidGroups) return;
      saidGroups = groups;
      const payload = infoOf(context);
      const content = JSON.stringify(payload);
      if (!again && content === saidInfo) return;
      saidInfo = content;
      toldAt = now();
      const message = JSON.stringify({ ...payload, at: context.wallClock().toISOString() });
      // A sign of life for the twin alone: retained is what the other one says.
      if (aside) voice.tell({ topic: info, payload: message, qos: 0 });
      // It is another one each time, and keeps its place right behind the status.
      else voice.keep(info, message);
    };

    const meet = (twin: Instance): void => {
      const known = twins.get(twin.instance);
      if (known !== undefined) {
        known.heardAt = now();
        return;
      }
      if (twins.size >= TWINS_MAX) return;
      twins.set(twin.instance, { ...twin, heardAt: now() });
      settle();
      log('error', `mqtt of ${scope.node}: ${duplicate(twin)}`, {
        node: scope.node,
        remedy: REMEDY,
        code: 'duplicate-node',
      });
      // It hears who else is here, and what it has written over is put right.
      if (!aside) {
        repeat();
        repairAt = now() + REPAIR_MS;
      }
      sayInfo(true);
    };

    const duplicate = (twin: Instance): string =>
      `${twin.hostname} calls itself ${scope.node}, too; ${isEarlier(twin, host) ? 'this host is silent on MQTT' : 'it is silent on MQTT'}`;

    const settle = (): void => {
      const should = [...twins.values()].some((twin) => isEarlier(twin, host));
      report([...twins.values()].map((twin) => ({ code: 'duplicate-node', message: duplicate(twin), remedy: REMEDY })));
      if (should === aside) return;
      aside = should;
      standAside(aside);
    };

    const forgetSilent = (): void => {
      const limit = now() - REFRESHES * settings.refresh * 1000;
      const gone = [...twins.values()].filter(({ heardAt }) => heardAt < limit);
      if (gone.length > 0) part(gone.map(({ instance }) => instance));
    };

    const part = (instances: readonly string[]): void => {
      for (const instance of instances) {
        const twin = twins.get(instance);
        twins.delete(instance);
        if (twin !== undefined)
          log('info', `mqtt of ${scope.node}: ${twin.hostname} no longer calls itself ${scope.node}`, {
            node: scope.node,
          });
      }
      const before = aside;
      settle();
      if (before && !aside) sayInfo(true);
    };

    // Before anything else is kept: these come first in each connection.
    voice.keep(status, 'online');
    sayInfo(true);
    return {
      filters: [status, info],
      noLocal: true,
      begin: () => {
        if (aside) return;
        voice.keep(status, 'online');
        sayInfo(true);
      },
      heard: ({ topic, payload, retain }) => {
        // Retained: what a former self has left, or a twin that is heard again soon if it lives.
        if (retain || payload.length > PAYLOAD_MAX) return;
        const text = Buffer.from(payload).toString('utf8');
        if (topic === status) {
          if (text !== 'offline') return;
          // The will of a former connection came late, or a twin has gone.
          if (aside) part([...twins.values()].filter((twin) => isEarlier(twin, host)).map(({ instance }) => instance));
          else voice.keep(status, 'online', { again: true });
          return;
        }
        const twin = instanceIn(text);
        if (twin !== undefined && twin.instance !== host.instance) meet(twin);
      },
      tick: () => {
        forgetSilent();
        if (repairAt !== undefined && now() >= repairAt) {
          repairAt = undefined;
          if (!aside) repeat();
        }
        if (!voice.connected()) return;
        sayInfo(now() - toldAt >= settings.refresh * 1000);
      },
    };
  };

const REMEDY = 'give each host a `node` of its own in its configuration';

/** The one that has been there for longer stays; both sides come to the same answer. */
const isEarlier = (one: Omit<Instance, 'hostname'>, other: Omit<Instance, 'hostname'>): boolean =>
  one.startedAt < other.startedAt || (one.startedAt === other.startedAt && one.instance < other.instance);

const infoOf = ({ host, scope, settings }: PartContext): Omit<NodeInfo, 'at'> => ({
  node: scope.node,
  instance: host.instance,
  startedAt: host.startedAt,
  version: host.version,
  hostname: hostname(),
  commands: commandsOf(settings),
  ...(settings.alarms ? {} : { alarms: false }),
  groups: host.groups().map((group) => ({
    group: group.group,
    vhid: group.vhid,
    interface: group.interface,
    ...(group.sync === undefined ? {} : { sync: group.sync }),
    advbase: group.advbase,
    deadratio: group.deadratio,
    fingerprint: addressFingerprint({ base: scope.base, group: group.group, vhid: group.vhid }, group.addresses),
  })),
});

const TEXT_MAX = 256;

const instanceIn = (text: string): Instance | undefined => {
  try {
    const info: unknown = JSON.parse(text);
    if (typeof info !== 'object' || info === null || !('instance' in info) || !('startedAt' in info)) return undefined;
    const { instance, startedAt } = info;
    if (typeof instance !== 'string' || !/^[0-9a-f]{16}$/.test(instance)) return undefined;
    if (typeof startedAt !== 'string' || startedAt.length > TEXT_MAX) return undefined;
    const name = 'hostname' in info && typeof info.hostname === 'string' ? info.hostname : 'another host';
    return { instance, startedAt, hostname: name.replace(/[^\p{L}\p{N} _.-]/gu, '?').slice(0, TEXT_MAX) };
  } catch {
    return undefined;
  }
};
