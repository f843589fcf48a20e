/**
 * A broker in virtual time, and hosts of the engine on a virtual LAN that talk over it with the real parts and the real
 * outbox of a connection: what MQTT itself does (retained messages, wills, expiry) is done here in a few lines.
 */
import type { SchedulerAction, Subscription } from 'rxjs';
import { alarmPart } from '../../src/adapters/mqtt/alarms/alarm-part.ts';
import { matches } from '../../src/adapters/mqtt/filters.ts';
import { leftoverPart } from '../../src/adapters/mqtt/leftover-part.ts';
import { Outbox } from '../../src/adapters/mqtt/outbox.ts';
import { type BusGroup, type Part, type PartContext, TICK_MS } from '../../src/adapters/mqtt/part.ts';
import type { AlarmReport } from '../../src/adapters/mqtt/payloads.ts';
import { peersPart } from '../../src/adapters/mqtt/peers-part.ts';
import { presencePart } from '../../src/adapters/mqtt/presence-part.ts';
import { rolePart } from '../../src/adapters/mqtt/role-part.ts';
import type { MqttSettings } from '../../src/adapters/mqtt/settings.ts';
import type { GroupSettings } from '../../src/engine/settings.ts';
import type { BusTrouble } from '../../src/engine/status.ts';
import { mqttSettings } from './mqtt-settings.ts';
import { groupSettings, type VirtualHost, type VirtualLan, virtualLan } from './virtual-lan.ts';

/** A message is so long on its way to the broker, and as long from there; in ms. */
const LATENCY_MS = 3;
/** One and a half keepalives: when the broker tells of a host that lost its power. */
const WILL_MS = 7500;

type Groups = Partial<GroupSettings> | readonly Partial<GroupSettings>[];

export interface HostOnBus extends VirtualHost {
  readonly node: string;
  /** Alarms that were raised (+) and cleared (-), with the time in ms. */
  readonly alarms: readonly { readonly at: number; readonly what: string }[];
  readonly troubles: () => readonly BusTrouble[];
  /** The power fails. */
  readonly powerOff: () => void;
  /** The agent is killed: the broker sees the end of its connection. */
  readonly kill: () => void;
  /** The connection to the broker breaks, or is there again. */
  readonly setConnected: (connected: boolean) => void;
  /** Stops as `SIGTERM` stops it. */
  readonly stop: () => Promise<void>;
  /** Runs other groups from now on. */
  readonly configure: (groups: Groups) => void;
}

export interface VirtualBus extends VirtualLan {
  /** Starts a host and its agent's connection. @param mqtt - `node`: the name that it uses, if not that of the host */
  readonly join: (
    name: string,
    groups?: Groups,
    mqtt?: Partial<MqttSettings> & { readonly node?: string },
  ) => HostOnBus;
  /** What the broker keeps. */
  readonly retained: (topic: string) => string | undefined;
  readonly report: (group?: string) => AlarmReport | undefined;
  readonly publish: (topic: string, payload: string, retain?: boolean) => void;
  /** How many messages the broker has passed on. */
  readonly delivered: () => number;
}

interface Session {
  readonly node: string;
  parts: readonly Part[];
  connected: boolean;
}

interface Retained {
  readonly payload: string;
  readonly endsAt: number;
}

const encoder = new TextEncoder();

export const virtualBus = ({ base = 'carp' }: { readonly base?: string } = {}): VirtualBus => {
  const lan = virtualLan();
  const { scheduler } = lan;
  const sessions = new Set<Session>();
  const store = new Map<string, Retained>();
  let delivered = 0;

  const deliver = (session: Session, topic: string, payload: string, retain: boolean): void => {
    if (!session.connected) return;
    const parts = session.parts.filter(({ filters }) => filters.some((filter) => matches(filter, topic)));
    if (parts.length > 0) delivered += 1;
    for (const part of parts) part.heard?.({ topic, payload: encoder.encode(payload), retain });
  };

  const publish = (topic: string, payload: string, retain = true, expirySeconds = Number.POSITIVE_INFINITY): void => {
    if (retain && payload === '') store.delete(topic);
    else if (retain) store.set(topic, { payload, endsAt: scheduler.now() + expirySeconds * 1000 });
    for (const session of sessions) scheduler.schedule(() => deliver(session, topic, payload, false), LATENCY_MS);
  };

  const retained = (topic: string): string | undefined => {
    const message = store.get(topic);
    return message === undefined || message.endsAt <= scheduler.now() ? undefined : message.payload;
  };

  const join: VirtualBus['join'] = (name, first = {}, { node = name, ...mqtt } = {}) => {
    const busGroups = (now: Groups): readonly BusGroup[] => [now].flat().map(groupSettings).map(busGroup);
    let groups = busGroups(first);
    const settings = mqttSettings({ url: 'mqtt://127.0.0.1', base, ...mqtt });
    const host = lan.start(name, first);
    const startedAt = new Date(Date.UTC(2026, 0, 1) + scheduler.now()).toISOString();
    const alarms: { at: number; what: string }[] = [];
    const links: Subscription[] = [];
    let troubles: readonly BusTrouble[] = [];
    let pumping = false;
    let isOn = true;

    const session: Session = { node, parts: [], connected: false };
    sessions.add(session);
    const outbox = new Outbox({
      expiry: settings.expiry,
      news: () => pump(),
      connected: () => session.connected,
      now: () => scheduler.now(),
    });
    const pump = (): void => {
      if (pumping || !session.connected) return;
      pumping = true;
      links.push(
        scheduler.schedule(() => {
          pumping = false;
          for (let out = outbox.next(); session.connected && out !== undefined; out = outbox.next()) {
            const { topic, payload, retain, expirySeconds } = out;
            publish(topic, payload, retain, expirySeconds);
          }
        }, LATENCY_MS),
      );
    };
    const context: PartContext = {
      settings,
      scope: { base, node },
      host: {
        node,
        instance: [...encoder.encode(name)]
          .map((byte) => byte.toString(16))
          .join('')
          .padEnd(16, '0')
          .slice(0, 16),
        startedAt,
        version: '1.0.0',
        groups: () => groups,
        snapshots: () => host.host.snapshots().map((event) => ({ ...event, node })),
        status: () => host.host.status(),
        peers: () => host.host.peers(),
        modeOf: () => 'normal',
        operator: { handOver: unused, setMode: unused, setAdvskew: unused },
      },
      voice: outbox,
      now: () => scheduler.now(),
      wallClock: () => new Date(Date.UTC(2026, 0, 1) + scheduler.now()),
      log: (_level, message, fields) => {
        const [, code, over] = /^alarm (\S+?):? (is over)?/.exec(message) ?? [];
        if (code !== undefined)
          alarms.push({ at: scheduler.now(), what: `${over === undefined ? '+' : '-'}${code} ${fields?.['group']}` });
      },
      report: (now) => {
        troubles = now;
      },
    };
    const presence = presencePart({ standAside: (aside) => outbox.silence(aside), repeat: () => outbox.begin() });
    const parts = [presence, rolePart, peersPart, alarmPart, leftoverPart].map((create) => create(context));
    session.parts = parts;

    const connect = (): void => {
      session.connected = true;
      for (const topic of store.keys()) {
        const payload = retained(topic);
        if (payload !== undefined) scheduler.schedule(() => deliver(session, topic, payload, true), LATENCY_MS);
      }
      scheduler.schedule(() => {
        outbox.begin();
        for (const part of parts) part.begin?.();
      }, LATENCY_MS);
    };
    const offline = (): void => publish(`${base}/node/${node}/status`, 'offline');
    const disconnect = (willAfter: number): void => {
      if (!session.connected) return;
      session.connected = false;
      scheduler.schedule(() => {
        if (!session.connected) offline();
      }, willAfter);
    };
    const end = (): void => {
      isOn = false;
      for (const link of links) link.unsubscribe();
    };

    links.push(
      host.host.events$.subscribe((event) => {
        for (const part of parts) part.event?.({ ...event, node });
      }),
    );
    const every = (ms: number, act: () => void): void => {
      links.push(
        scheduler.schedule(function again(this: SchedulerAction<unknown>) {
          act();
          this.schedule(undefined, ms);
        }, ms),
      );
    };
    every(TICK_MS, () => {
      for (const part of parts) part.tick?.();
    });
    every(settings.refresh * 1000, () => outbox.refresh(settings.refresh * 500));
    connect();

    const crash = (willAfter: number): void => {
      if (!isOn) return;
      host.host.crash();
      disconnect(willAfter);
      end();
    };
    return {
      ...host,
      node,
      alarms,
      troubles: () => troubles,
      powerOff: () => crash(WILL_MS),
      kill: () => crash(0),
      setConnected: (connected) => {
        if (connected === session.connected) return;
        if (connected) connect();
        else disconnect(WILL_MS);
      },
      stop: async () => {
        const stopped = host.host.stop();
        await lan.pass(1500);
        await stopped;
        for (const part of parts) part.end?.();
        await lan.pass(LATENCY_MS * 2);
        session.connected = false;
        offline();
        end();
      },
      configure: (now) => {
        groups = busGroups(now);
        host.apply(now);
      },
    };
  };

  return {
    ...lan,
    join,
    retained,
    report: (group = 'plant') => {
      const payload = retained(`${base}/${group}/alarm`);
      return payload === undefined ? undefined : (JSON.parse(payload) as AlarmReport);
    },
    publish,
    delivered: () => delivered,
  };
};

const unused = (): never => {
  throw new Error('nobody gives commands here');
};

const busGroup = (settings: GroupSettings): BusGroup => ({
  group: settings.name,
  interface: settings.interface,
  vhid: settings.vhid,
  ...(settings.sync === undefined ? {} : { sync: settings.sync }),
  advbase: settings.advbase,
  deadratio: settings.deadratio,
  addresses: settings.addresses.map(({ address }) => address),
  addressing: settings.addressing,
});
