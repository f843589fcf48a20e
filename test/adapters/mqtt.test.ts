import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import mqtt from 'mqtt';
import { Subject } from 'rxjs';
import type { BusHost } from '../../src/adapters/mqtt/part.ts';
import { createMqttPublisher, type MqttPublisher } from '../../src/adapters/mqtt/publisher.ts';
import type { MqttConfig } from '../../src/config/types.ts';
import type { CarpEvent } from '../../src/engine/status.ts';
import { busGroup, busHost } from '../support/bus-host.ts';
import { mqttSettings } from '../support/mqtt-settings.ts';
import {
  freePort,
  listenTo,
  needsMosquitto,
  startAedes,
  startMosquitto,
  startWire,
  type TestBroker,
  until,
} from './mqtt-brokers.ts';
import { carpEvent } from './mqtt-events.ts';

const STATUS = 'carp/node/rpi1/status';
const ROLE = 'carp/plant/node/rpi1/role';
const ROLE_OF_LAB = 'carp/lab/node/rpi1/role';
const STATE = 'carp/plant/node/rpi1/state';
const EVENT = 'carp/plant/node/rpi1/event';
const INFO = 'carp/node/rpi1/info';
const MASTER = 'carp/plant/master';
const MODE = 'carp/plant/node/rpi1/mode';
const ADVSKEW = 'carp/plant/node/rpi1/advskew';
const VIP = 'carp/plant/node/rpi1/vip/192.0.2.100';

/** Undone after each test, last first, also when it failed. */
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});
const using = <T>(thing: T, end: (thing: T) => unknown): T => {
  undo.push(() => end(thing));
  return thing;
};

interface TestHost {
  readonly publisher: MqttPublisher;
  readonly events$: Subject<CarpEvent>;
  readonly lines: readonly string[];
}

type Snapshots = () => readonly CarpEvent[];

/** What it can tell of is what it is configured to run. */
const groupsIn = (snapshots: Snapshots): readonly string[] => {
  try {
    const groups = snapshots().map(({ group }) => group);
    return groups.length === 0 ? ['plant'] : groups;
  } catch {
    return ['plant'];
  }
};

const publishTo = (
  url: string,
  {
    snapshots = () => [],
    host,
    ...settings
  }: Partial<MqttConfig> & { snapshots?: Snapshots; host?: Partial<BusHost> } = {},
): TestHost => {
  const events$ = new Subject<CarpEvent>();
  const lines: string[] = [];
  const publisher = createMqttPublisher({
    settings: mqttSettings({ url, ...settings }),
    host: busHost({ snapshots, groups: () => groupsIn(snapshots).map((group) => busGroup(group)), ...host }),
    machineId: '01234567',
    events$,
    log: (level, message, fields) => lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`),
  });
  undo.push(() => publisher.kill());
  return { publisher, events$, lines };
};

const warnings = ({ lines }: TestHost): readonly string[] => lines.filter((line) => line.startsWith('warn'));

const listener = async (url: string, user?: { readonly name: string; readonly password: string }) =>
  using(await listenTo(url, user), (it) => it.close());

const brokers = [
  {
    name: 'Mosquitto (MQTT 5)',
    skip: needsMosquitto,
    start: (): Promise<TestBroker> => startMosquitto(),
    protocol: '5',
  },
  { name: 'aedes (MQTT 3.1.1)', skip: false, start: (): Promise<TestBroker> => startAedes(), protocol: '3.1.1' },
] as const;

for (const { name, skip, start, protocol } of brokers) {
  describe(name, { skip }, () => {
    const broker = async (): Promise<TestBroker> => using(await start(), (it) => it.stop());

    test('a publisher connects in the best version that the broker speaks, and is born', async () => {
      const { url } = await broker();
      const ears = await listener(url);
      const host = publishTo(url);
      await until('the birth is heard', () => ears.last(STATUS) === 'online');
      assert.equal(host.lines.length, 1, host.lines.join('\n'));
      assert.match(host.lines[0] ?? '', new RegExp(`"protocol":"${protocol}"`));
    });

    test('a transition is published as role, state, master, what else has changed, and the event, in this order', async () => {
      const { url } = await broker();
      const ears = await listener(url);
      const { events$ } = publishTo(url);
      await until('the birth is heard', () => ears.last(STATUS) === 'online');
      const event = carpEvent({ role: 'MASTER', seq: 2, master: { address: '192.0.2.11', self: true } });
      events$.next(event);
      await until('the event is heard', () => ears.last(EVENT) !== undefined);
      assert.deepEqual(
        ears.heard.map(({ topic }) => topic),
        [STATUS, INFO, ROLE, STATE, MASTER, MODE, ADVSKEW, VIP, EVENT],
      );
      assert.equal(ears.last(ROLE), 'MASTER');
      assert.equal(ears.last(VIP), 'held');
      assert.deepEqual(JSON.parse(ears.last(STATE) ?? ''), event);
      assert.deepEqual(JSON.parse(ears.last(EVENT) ?? ''), { event_type: 'became_master', ...event });
      assert.deepEqual(JSON.parse(ears.last(MASTER) ?? ''), {
        node: 'rpi1',
        address: '192.0.2.11',
        vhid: 10,
        since: event.at,
        at: event.at,
        seq: 2,
      });
    });

    test('who comes later finds everything that is, and nothing of what happened', async () => {
      const { url } = await broker();
      const early = await listener(url);
      const { events$ } = publishTo(url);
      events$.next(carpEvent());
      await until('the event is heard', () => early.last(EVENT) !== undefined);
      const late = await listener(url);
      const retained = [STATUS, INFO, ROLE, STATE, MASTER, MODE, ADVSKEW, VIP];
      await until('all of it is heard', () => late.heard.length >= retained.length);
      assert.deepEqual(
        late.heard.map(({ topic, retain }) => `${topic} ${retain}`).sort(),
        retained.map((topic) => `${topic} true`).sort(),
      );
    });

    test('the broker says offline when the publisher is killed, and the role it cannot take back stays', async () => {
      const { url } = await broker();
      const ears = await listener(url);
      const { events$, publisher } = publishTo(url);
      events$.next(carpEvent());
      await until('the role is heard', () => ears.last(ROLE) === 'MASTER');
      publisher.kill();
      await until('the will is heard', () => ears.last(STATUS) === 'offline');
      assert.equal(ears.last(ROLE), 'MASTER');
      const late = await listener(url);
      await until('the will is retained', () => late.last(STATUS) === 'offline');
    });

    test('close tells what the engine said last, then offline, and then the broker forgets the will', async () => {
      const { url } = await broker();
      const ears = await listener(url);
      let known: readonly CarpEvent[] = [];
      const { events$, publisher, lines } = publishTo(url, { snapshots: () => known });
      await until('the birth is heard', () => ears.last(STATUS) === 'online');
      const stopped = carpEvent({ role: 'STOPPED', previous: 'MASTER', reason: 'stop', seq: 3 });
      known = [{ ...stopped, event: 'snapshot' }];
      events$.next(stopped);
      events$.complete();
      const began = Date.now();
      const closing = publisher.close();
      assert.equal(publisher.close(), closing, 'closing twice is closing once');
      await closing;
      assert.ok(Date.now() - began < 850, 'a broker that answers is not waited for until the deadline');
      await until('offline is heard', () => ears.last(STATUS) === 'offline');
      assert.deepEqual(
        ears.heard.map(({ topic, payload }) => (payload.startsWith('{') ? topic : `${topic} ${payload}`)),
        [
          `${STATUS} online`,
          INFO,
          `${ROLE} STOPPED`,
          STATE,
          `${MODE} normal`,
          `${ADVSKEW} 0`,
          `${VIP} absent`,
          EVENT,
          `${STATUS} offline`,
        ],
      );
      assert.deepEqual(
        lines.filter((line) => line.startsWith('warn')),
        [],
      );
      // What is published now arrives after a will would have: the broker handles the end of a connection first.
      const again = publishTo(url);
      await until('the next birth is heard', () => ears.last(STATUS) === 'online');
      assert.equal(ears.heard.filter(({ payload }) => payload === 'offline').length, 1);
      again.publisher.kill();
    });

    test('a broker that does not answer neither blocks the engine nor makes memory grow', async () => {
      const { url, port } = await broker();
      const wire = using(await startWire(port), (it) => it.stop());
      const ears = await listener(url);
      const host = publishTo(wire.url);
      await until('the birth is heard', () => ears.last(STATUS) === 'online');
      wire.block();
      const began = performance.now();
      for (let seq = 1; seq <= 5000; seq += 1)
        host.events$.next(carpEvent({ seq, role: seq % 2 ? 'MASTER' : 'BACKUP' }));
      assert.ok(performance.now() - began < 10_000, 'the caller does not wait for the broker');
      wire.unblock();
      const heardEvent = (seq: number): boolean =>
        ears.heard.some(({ topic, payload }) => topic === EVENT && JSON.parse(payload).seq === seq);
      await until('the last event is heard', () => heardEvent(5000));
      assert.equal(ears.last(ROLE), 'BACKUP');
      const events = ears.heard.filter(({ topic }) => topic === EVENT).length;
      assert.ok(events >= 1000 && events <= 1070, `${events} events: those that waited and those under way`);
      await host.publisher.close();
      const dropped = host.lines.filter((line) => line.includes('dropped'));
      assert.equal(dropped.length, 1, dropped.join('\n'));
      assert.match(dropped[0] ?? '', new RegExp(`"dropped":${5000 - events}`));
    });

    test('close gives up within a second when the broker hangs, and the will speaks', async () => {
      const { url, port } = await broker();
      const wire = using(await startWire(port), (it) => it.stop());
      const ears = await listener(url);
      const { publisher } = publishTo(wire.url);
      await until('the birth is heard', () => ears.last(STATUS) === 'online');
      wire.block();
      const began = Date.now();
      await publisher.close();
      assert.ok(Date.now() - began < 1200, `took ${Date.now() - began} ms`);
      await until('offline is heard', () => ears.last(STATUS) === 'offline');
    });
  });
}

test('a broker that speaks 3.1.1 only is asked in version 5 once, also after a lost connection', async () => {
  const broker = using(await startAedes(), (it) => it.stop());
  const wire = using(await startWire(broker.port), (it) => it.stop());
  const ears = await listener(broker.url);
  const before = broker.versions.length;
  publishTo(wire.url);
  await until('the birth is heard', () => ears.last(STATUS) === 'online');
  wire.cut();
  await until('the will is heard', () => ears.last(STATUS) === 'offline');
  await until('the second birth is heard', () => ears.last(STATUS) === 'online');
  assert.deepEqual(broker.versions.slice(before), [5, 4, 4]);
});

describe('Mosquitto', { skip: needsMosquitto }, () => {
  test('a broker that was restarted is told everything again, and what happened meanwhile', async () => {
    const port = await freePort();
    const first = using(await startMosquitto({ port }), (it) => it.stop());
    const ears = await listener(first.url);
    let now = carpEvent({ event: 'snapshot', role: 'BACKUP', seq: 1 });
    const host = publishTo(first.url, { snapshots: () => [now] });
    await until('the role is heard', () => ears.last(ROLE) === 'BACKUP');
    await first.stop();
    await until('the loss is noticed', () => warnings(host).length > 0);
    for (const event of [carpEvent({ seq: 2 }), carpEvent({ seq: 3, role: 'BACKUP' }), carpEvent({ seq: 4 })]) {
      now = { ...event, event: 'snapshot' };
      host.events$.next(event);
    }
    using(await startMosquitto({ port }), (it) => it.stop());
    await until('the last event is heard', () => ears.heard.filter(({ topic }) => topic === EVENT).length === 3);
    assert.match(warnings(host).at(-1) ?? '', /^warn mqtt of rpi1: connected again to/);
    assert.deepEqual(
      ears.heard.filter(({ topic }) => topic === EVENT).map(({ payload }) => JSON.parse(payload).seq),
      [2, 3, 4],
    );
    const late = await listener(first.url);
    await until('the role is retained', () => late.last(ROLE) === 'MASTER');
    assert.equal(late.last(STATUS), 'online');
    assert.equal(JSON.parse(late.last(STATE) ?? '{}').seq, 4);
  });

  test('a wrong password is said once, without the password, and the right one is read from its file later', async () => {
    const user = { name: 'carp', password: 'correct horse' };
    const broker = using(await startMosquitto({ user }), (it) => it.stop());
    const folder = using(mkdtempSync(join(tmpdir(), 'carp-mqtt-')), (it) => rmSync(it, { recursive: true }));
    const passwordFile = join(folder, 'password');
    writeFileSync(passwordFile, 'battery staple\n', { mode: 0o600 });
    const ears = await listener(broker.url, user);
    const host = publishTo(broker.url.replace('//', '//url-user:url-secret@'), { username: user.name, passwordFile });
    await until('the refusal is said', () => host.lines.length > 0);
    writeFileSync(passwordFile, `${user.password}\n`);
    await until('the birth is heard', () => ears.last(STATUS) === 'online');
    assert.equal(warnings(host).length, 2, host.lines.join('\n'));
    assert.match(
      warnings(host)[1] ?? '',
      /mqtt of rpi1: connected to/,
      'whoever read the warning reads that it is over',
    );
    assert.match(warnings(host)[0] ?? '', /Not authorized.*check mqtt\.username and mqtt\.passwordFile/);
    assert.doesNotMatch(host.lines.join('\n'), /battery|staple|correct|horse|url-secret/);
  });

  test('a broker that does not let this user publish is complained about once, and is not offered the same again', async () => {
    const broker = using(await startMosquitto({ acl: ['topic read #', 'topic write carp/node/#'] }), (it) => it.stop());
    const ears = await listener(broker.url);
    const host = publishTo(broker.url);
    for (let seq = 1; seq <= 40; seq += 1) host.events$.next(carpEvent({ seq }));
    await until('the refusal is said', () => warnings(host).length > 0);
    await host.publisher.close();
    await until('offline is heard', () => ears.last(STATUS) === 'offline');
    assert.equal(warnings(host).length, 1, host.lines.join('\n'));
    assert.match(warnings(host)[0] ?? '', /refuses what is published: .*Not authorized/);
    assert.equal(ears.last(ROLE), undefined);
  });

  test('a group that was removed leaves nothing behind after its STOPPED; one that stops with its agent does', async () => {
    const broker = using(await startMosquitto(), (it) => it.stop());
    const ears = await listener(broker.url);
    const [plant, lab] = ['plant', 'lab'].map((group) => carpEvent({ group, event: 'snapshot', seq: 1 }));
    assert.ok(plant !== undefined && lab !== undefined);
    let configured = [plant, lab];
    const { publisher, events$ } = publishTo(broker.url, { snapshots: () => configured });
    await until('both roles are heard', () => ears.last(ROLE) === 'MASTER' && ears.last(ROLE_OF_LAB) === 'MASTER');
    configured = [lab];
    events$.next(carpEvent({ role: 'STOPPED', seq: 2 }));
    await until('the role is taken back', () => ears.last(ROLE) === '' && ears.last(STATE) === '');
    const roles = ears.heard.filter(({ topic }) => topic === ROLE).map(({ payload }) => payload);
    assert.deepEqual(roles, ['MASTER', 'STOPPED', '']);
    configured = [{ ...lab, role: 'STOPPED' }];
    events$.next(carpEvent({ group: 'lab', role: 'STOPPED', seq: 2 }));
    await publisher.close();
    const late = await listener(broker.url);
    await until('what is left is heard', () => late.last(STATUS) === 'offline' && late.last(ROLE_OF_LAB) !== undefined);
    assert.equal(late.last(ROLE_OF_LAB), 'STOPPED');
    assert.deepEqual([late.last(ROLE), late.last(STATE)], [undefined, undefined]);
  });

  test('a publisher that takes everything back leaves nothing on the broker', async () => {
    const broker = using(await startMosquitto(), (it) => it.stop());
    const ears = await listener(broker.url);
    const { publisher, events$ } = publishTo(broker.url, { homeAssistant: true });
    events$.next(carpEvent());
    await until('the event is heard', () => ears.last(EVENT) !== undefined);
    await publisher.close({ takeBack: true });
    await until('the status is taken back', () => ears.last(STATUS) === '');
    const late = await listener(broker.url);
    const marker = await mqtt.connectAsync(broker.url);
    await marker.publishAsync('marker', 'last', { qos: 1 });
    await marker.endAsync();
    await until('what comes after the retained is heard', () => late.last('marker') === 'last');
    assert.deepEqual(
      late.heard.map(({ topic }) => topic),
      ['marker'],
    );
  });

  test('a state that changed without a change of role is published before long', async () => {
    const broker = using(await startMosquitto(), (it) => it.stop());
    const ears = await listener(broker.url);
    let now = carpEvent({ event: 'snapshot', role: 'BACKUP', seq: 1 });
    publishTo(broker.url, { snapshots: () => [now] });
    await until('the state is heard', () => ears.last(STATE) !== undefined);
    now = { ...now, master: { address: '192.0.2.12', self: false } };
    await until('the other MASTER is heard', () => (ears.last(STATE) ?? '').includes('192.0.2.12'));
    assert.equal(ears.last(EVENT), undefined);
  });
});

test('a broker that is not there is said once, whatever happens in the engine, and close does not wait for it', async () => {
  const host = publishTo(`mqtt://127.0.0.1:${await freePort()}`);
  await until('the refusal is said', () => host.lines.length > 0);
  for (let seq = 1; seq <= 3000; seq += 1) host.events$.next(carpEvent({ seq }));
  const began = Date.now();
  await host.publisher.close();
  assert.ok(Date.now() - began < 500);
  assert.equal(host.lines.length, 2, host.lines.join('\n'));
  assert.match(
    host.lines[0] ?? '',
    /no connection to mqtt:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED.*is the broker running/,
  );
  assert.match(host.lines[1] ?? '', /2000 transitions were dropped/);
});

test('something that is not a broker, TLS that is none, and a missing password file are said, never thrown', async () => {
  const babbler = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
  });
  await new Promise<void>((resolve) => babbler.listen(0, '127.0.0.1', resolve));
  undo.push(() => babbler.close());
  const { port } = babbler.address() as { port: number };
  for (const [url, settings] of [
    [`mqtt://127.0.0.1:${port}`, {}],
    [`mqtts://127.0.0.1:${port}`, {}],
    [`ws://127.0.0.1:${port}`, {}],
    ['gopher://127.0.0.1', {}],
    [`mqtt://127.0.0.1:${port}`, { username: 'a', passwordFile: '/nonexistent/password' }],
  ] as const) {
    const host = publishTo(url, settings);
    await until(`${url} is complained about`, () => host.lines.length > 0);
    assert.match(host.lines[0] ?? '', /^warn mqtt of rpi1: no connection to/, url);
    host.publisher.kill();
  }
});

test('a snapshot that fails does not reach the engine', async () => {
  const broker = using(await startAedes(), (it) => it.stop());
  const host = publishTo(broker.url, {
    snapshots: () => {
      throw new Error('no snapshot today');
    },
  });
  await until('it is said', () => warnings(host).length > 0);
  assert.match(warnings(host)[0] ?? '', /no snapshot today/);
});

for (const subscriptions of ['refused', 'unanswered'] as const)
  test(`a host whose subscriptions are ${subscriptions} speaks all the same, and its status says that it hears nothing`, async () => {
    const broker = await startAedes(subscriptions);
    undo.push(() => broker.stop());
    const { publisher } = publishTo(broker.url, { snapshots: () => [carpEvent({ role: 'BACKUP' })] });
    await until('it to be told', () => publisher.status().connected && publisher.status().queued === 0);
    await until('the reason', () => /does not let this host hear/.test(publisher.status().problem ?? ''));
  });
