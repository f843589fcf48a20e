import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { Subject } from 'rxjs';
import type { MqttSettings, SparkplugSettings } from '../../src/adapters/mqtt/settings.ts';
import { createSparkplugPublisher, type SparkplugPublisher } from '../../src/adapters/sparkplug/publisher.ts';
import type { CarpEvent } from '../../src/engine/status.ts';
import { LocalCarp, memoryGroup, mqttOf } from '../support/broker-hosts.ts';
import { LocalBroker, missingForBroker } from '../support/broker-local.ts';
import { mqttSettings } from '../support/mqtt-settings.ts';
import {
  freePort,
  needsMosquitto,
  startAedes,
  startMosquitto,
  startWire,
  type TestBroker,
  until,
} from './mqtt-brokers.ts';
import { command, needsSparkplug, Plant, type SparkplugEar, sparkplugEar, valuesOf } from './sparkplug-ear.ts';

const NCMD = 'spBv1.0/Werk 1/NCMD/rpi1';
const DCMD = 'spBv1.0/Werk 1/DCMD/rpi1/plant';
const STATE = 'spBv1.0/STATE/scada';

/** Undone after each test, last first, also when it failed. */
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});
const using = <T>(thing: T, end: (thing: T) => unknown): T => {
  undo.push(() => end(thing));
  return thing;
};

interface Running {
  readonly plant: Plant;
  readonly publisher: SparkplugPublisher;
  readonly lines: readonly string[];
  readonly tell: (about: Partial<CarpEvent>) => void;
}

const publishTo = (
  url: string | readonly string[],
  settings: Partial<MqttSettings> & {
    readonly primaryHost?: string;
    readonly state?: string;
    readonly plant?: Plant;
  } = {},
): Running => {
  const { primaryHost, state, plant = new Plant('plant', 'lab'), ...rest } = settings;
  const sparkplug: SparkplugSettings = { group: 'Werk 1', ...(primaryHost === undefined ? {} : { primaryHost }) };
  const events$ = new Subject<CarpEvent>();
  const lines: string[] = [];
  const publisher = createSparkplugPublisher({
    settings: { ...mqttSettings({ url, ...rest }), sparkplug },
    host: plant.host,
    machineId: '01234567',
    events$,
    log: (level, message) => lines.push(`${level} ${message}`),
    ...(state === undefined ? {} : { state }),
  });
  undo.push(() => publisher.kill());
  return { plant, publisher, lines, tell: (about) => events$.next(plant.change({ group: 'plant', ...about })) };
};

const bdSeqs = (ear: SparkplugEar, type: string): readonly unknown[] =>
  ear.of(type).map(({ metrics }) => metrics['bdSeq']?.value);

const brokers = [
  {
    name: 'Mosquitto (MQTT 5)',
    skip: needsMosquitto,
    start: (): Promise<TestBroker> => startMosquitto(),
    version: 'auto',
  },
  // The attempt in MQTT 5 that it refuses has a number of its own.
  { name: 'aedes (MQTT 3.1.1)', skip: false, start: (): Promise<TestBroker> => startAedes(), version: '3.1.1' },
] as const;

for (const { name, skip, start, version } of brokers) {
  describe(`Sparkplug with ${name}`, { skip: needsSparkplug || skip }, () => {
    const setUp = async (): Promise<{ readonly broker: TestBroker; readonly ear: SparkplugEar }> => {
      const broker = using(await start(), (it) => it.stop());
      return { broker, ear: using(await sparkplugEar(broker.url), (it) => it.close()) };
    };

    test('a host is born, reports a change at once, and its death has the number of its birth', async () => {
      const { broker, ear } = await setUp();
      const { tell, publisher } = publishTo(broker.url, { version });
      await until('both groups are born', () => ear.of('DBIRTH').length === 2);
      tell({ role: 'MASTER', seq: 2, master: { address: '192.0.2.11', self: true } });
      await until('the change is heard', () => ear.of('DDATA').length === 1);
      assert.deepEqual(ear.story(), ['NBIRTH 0', 'DBIRTH plant 1', 'DBIRTH lab 2', 'DDATA plant 3']);
      const [data] = ear.of('DDATA');
      assert.deepEqual(data === undefined ? {} : valuesOf(data), {
        Role: 'MASTER',
        IsMaster: true,
        MasterAddress: '192.0.2.11',
        Transitions: 2,
      });
      assert.ok(
        ear.heard.every(({ qos, retain }) => qos === 0 && !retain),
        'all but the will are QoS 0',
      );
      publisher.kill();
      await until('the death is heard', () => ear.of('NDEATH').length === 1);
      const [death] = ear.of('NDEATH');
      assert.deepEqual(
        [death?.qos, death?.retain, death?.seq, death?.topic],
        [1, false, undefined, 'spBv1.0/Werk 1/NDEATH/rpi1'],
      );
      assert.deepEqual([bdSeqs(ear, 'NDEATH'), bdSeqs(ear, 'NBIRTH')], [[0], [0]]);
    });

    test('a host that stops dies once, and soon', async () => {
      const { broker, ear } = await setUp();
      const { tell, publisher, lines } = publishTo(broker.url, { version });
      await until('both groups are born', () => ear.of('DBIRTH').length === 2);
      tell({ role: 'STOPPED', reason: 'stop', seq: 2 });
      const began = Date.now();
      const closing = publisher.close();
      assert.equal(publisher.close(), closing, 'closing twice is closing once');
      await closing;
      assert.ok(Date.now() - began < 850, 'a broker that answers is not waited for until the deadline');
      await until('the death is heard', () => ear.of('NDEATH').length === 1);
      await ear.client.publishAsync('spBv1.0/Werk 1/NDEATH/other', Buffer.alloc(0), { qos: 1 });
      await until('what comes later is heard', () => ear.of('NDEATH').length > 1);
      assert.deepEqual(bdSeqs(ear, 'NDEATH'), [0, undefined], 'one death, and the marker behind it');
      assert.equal(ear.story()[3], 'DDEATH plant 3');
      assert.deepEqual(
        lines.filter((line) => !line.startsWith('info')),
        [],
      );
    });

    test('a host application that asks for a rebirth gets one, one that has asked long ago does not', async () => {
      const { broker, ear } = await setUp();
      await ear.client.publishAsync(NCMD, command('Node Control/Rebirth', true), { qos: 1, retain: true });
      const { tell } = publishTo(broker.url, { version });
      await until('both groups are born', () => ear.of('DBIRTH').length === 2);
      tell({ demotion: 5 });
      await until('the change is heard', () => ear.of('DDATA').length === 1);
      assert.equal(ear.of('NBIRTH').length, 1);
      for (let i = 0; i < 50; i += 1) {
        await ear.client.publishAsync(NCMD, Buffer.from([i, 255, 0]), { qos: 1 });
        await ear.client.publishAsync(NCMD, command('Node Control/Rebirth', true), { qos: 1 });
      }
      await until('everything is born again', () => ear.of('DBIRTH').length === 4);
      assert.deepEqual(bdSeqs(ear, 'NBIRTH'), [0, 0], 'fifty orders within a second are one');
      assert.deepEqual(ear.story().slice(4, 7), ['NBIRTH 0', 'DBIRTH plant 1', 'DBIRTH lab 2']);
      assert.equal(ear.of('DBIRTH')[2]?.metrics['Demotion']?.value, 5);
    });

    test('each connection has the next number, also after a restart', async () => {
      const state = using(mkdtempSync(join(tmpdir(), 'carp-sparkplug-')), (it) =>
        rmSync(it, { recursive: true, force: true }),
      );
      const { broker, ear } = await setUp();
      const wire = using(await startWire(broker.port), (it) => it.stop());
      const first = publishTo(wire.url, { version, state });
      await until('it is born', () => ear.of('NBIRTH').length === 1);
      wire.cut();
      await until('it is born again', () => ear.of('NBIRTH').length === 2 && ear.of('NDEATH').length === 1);
      assert.deepEqual([bdSeqs(ear, 'NDEATH'), bdSeqs(ear, 'NBIRTH')].map(numbersIn), [[0], [0, 1]]);
      await first.publisher.close();
      publishTo(broker.url, { version, state });
      await until('it is born after a restart', () => ear.of('NBIRTH').length === 3);
      await until('both deaths are heard', () => ear.of('NDEATH').length === 2);
      assert.deepEqual([bdSeqs(ear, 'NDEATH'), bdSeqs(ear, 'NBIRTH')].map(numbersIn), [
        [0, 1],
        [0, 1, 2],
      ]);
    });

    test('nothing is published before the primary host is there, and it dies when that one goes', async () => {
      const { broker, ear } = await setUp();
      const say = (online: boolean, timestamp: number) =>
        ear.client.publishAsync(STATE, JSON.stringify({ online, timestamp }), { qos: 1, retain: true });
      await say(false, 1000);
      const { lines, tell } = publishTo(broker.url, { version, primaryHost: 'scada' });
      await until('it waits', () => lines.some((line) => /scada is not online/.test(line)));
      tell({ demotion: 1 });
      await say(true, 2000);
      await until('it is born', () => ear.of('DBIRTH').length === 2);
      assert.equal(ear.story()[0], 'NBIRTH 0');
      await say(false, 1500);
      tell({ demotion: 2 });
      await until('a death of long ago is not believed', () => ear.of('DDATA').length === 1);
      await say(false, 3000);
      await until('it dies', () => ear.of('NDEATH').length === 1);
      assert.deepEqual(bdSeqs(ear, 'NDEATH'), [0]);
      tell({ demotion: 3 });
      await say(true, 4000);
      await until('it is born again', () => ear.of('NBIRTH').length === 2);
      assert.deepEqual(bdSeqs(ear, 'NBIRTH'), [0, 1]);
      assert.equal(ear.of('DDATA').length, 1, 'nothing was told to nobody');
      await until('all of it is told', () => ear.of('DBIRTH').length === 4);
      assert.equal(ear.of('DBIRTH')[2]?.metrics['Demotion']?.value, 3);
    });

    test('maintenance is ordered where that is allowed, and reported', async () => {
      const { broker, ear } = await setUp();
      const { plant } = publishTo(broker.url, { version, commands: ['mode'] });
      await until('both groups are born', () => ear.of('DBIRTH').length === 2);
      assert.equal(ear.of('DBIRTH')[0]?.metrics['Control/Maintenance']?.value, false);
      await ear.client.publishAsync(DCMD, command('Control/Maintenance', true), { qos: 1 });
      await until('it is reported', () => ear.of('DDATA').length === 1);
      assert.deepEqual(plant.orders, ['plant maintenance']);
      assert.deepEqual(ear.of('DDATA').map(valuesOf), [{ 'Control/Maintenance': true }]);
    });

    test('maintenance is not ordered where that is not allowed, which is said once', async () => {
      const { broker, ear } = await setUp();
      const { plant, lines } = publishTo(broker.url, { version, commands: ['hand-over'] });
      await until('both groups are born', () => ear.of('DBIRTH').length === 2);
      assert.equal(ear.of('DBIRTH')[0]?.metrics['Control/Maintenance'], undefined);
      for (let i = 0; i < 10; i += 1)
        for (const group of ['plant', 'lab', 'nobody'])
          await ear.client.publishAsync(`spBv1.0/Werk 1/DCMD/rpi1/${group}`, command('Control/Maintenance', true));
      await ear.client.publishAsync(NCMD, command('Node Control/Rebirth', true), { qos: 1 });
      await until('a later order is obeyed', () => ear.of('NBIRTH').length === 2);
      assert.deepEqual(plant.orders, []);
      assert.equal(lines.filter((line) => /refused/.test(line)).length, 1, lines.join('\n'));
    });

    test('a group that is removed is buried, and one that comes is born', async () => {
      const { broker, ear } = await setUp();
      const { plant } = publishTo(broker.url, { version });
      await until('both groups are born', () => ear.of('DBIRTH').length === 2);
      plant.remove('lab');
      await until('it is buried', () => ear.of('DDEATH').length === 1);
      assert.deepEqual(ear.story().slice(3), ['DDEATH lab 3']);
    });

    test('a broker that hangs does not keep a host from stopping', async () => {
      const { broker, ear } = await setUp();
      const wire = using(await startWire(broker.port), (it) => it.stop());
      const { publisher } = publishTo(wire.url, { version });
      await until('both groups are born', () => ear.of('DBIRTH').length === 2);
      wire.block();
      const began = Date.now();
      await publisher.close();
      assert.ok(Date.now() - began < 2000);
    });
  });
}

const numbersIn = (values: readonly unknown[]): readonly unknown[] =>
  values.filter((value) => typeof value === 'number');

test('an attempt in a version that the broker refuses is a CONNECT as well, and has its number', {
  skip: needsSparkplug,
}, async () => {
  const broker = using(await startAedes(), (it) => it.stop());
  const ear = using(await sparkplugEar(broker.url), (it) => it.close());
  publishTo(broker.url);
  await until('it is born', () => ear.of('NBIRTH').length === 1);
  assert.deepEqual(bdSeqs(ear, 'NBIRTH'), [1]);
});

describe('Sparkplug and several brokers', { skip: needsSparkplug || needsMosquitto }, () => {
  test('a host goes to the broker at which its primary host is', async () => {
    const here = using(await startMosquitto(), (it) => it.stop());
    const there = using(await startMosquitto(), (it) => it.stop());
    const nearEar = using(await sparkplugEar(here.url), (it) => it.close());
    const farEar = using(await sparkplugEar(there.url), (it) => it.close());
    const state = (online: boolean) => JSON.stringify({ online, timestamp: Date.now() });
    await nearEar.client.publishAsync(STATE, state(false), { qos: 1, retain: true });
    await farEar.client.publishAsync(STATE, state(true), { qos: 1, retain: true });
    publishTo([here.url, there.url], { primaryHost: 'scada' });
    await until('it is born where the primary host is', () => farEar.of('DBIRTH').length === 2);
    assert.equal(nearEar.of('NBIRTH').length, 0);
  });

  test('a broker that is not there uses up no numbers, and is said once', async () => {
    const port = await freePort();
    const { lines } = publishTo(`mqtt://127.0.0.1:${port}`);
    await until('it is said', () => lines.length > 0);
    const broker = using(await startMosquitto({ port }), (it) => it.stop());
    const ear = using(await sparkplugEar(broker.url), (it) => it.close());
    await until('it is born', () => ear.of('NBIRTH').length === 1);
    assert.deepEqual(bdSeqs(ear, 'NBIRTH'), [0]);
    assert.equal(lines.filter((line) => /no connection/.test(line)).length, 1, lines.join('\n'));
  });
});

test('an agent that is killed as MASTER and started again dies with the number of its birth, and is born with the next', {
  skip: needsSparkplug || missingForBroker(),
  timeout: 120_000,
}, async (t) => {
  const broker = await LocalBroker.start(t);
  const ear = using(await sparkplugEar(broker.url), (it) => it.close());
  const sparkplug = { group: 'Werk 1', edgeNode: 'Halle 3' };
  const plan = { node: 'rpi1', groups: [memoryGroup('plant')], more: { mqtt: mqttOf(broker, { sparkplug }) } };
  const first = LocalCarp.start(t, plan);
  const isMaster = () => ear.heard.some(({ metrics }) => metrics['Role']?.value === 'MASTER');
  await until('it is MASTER', isMaster);
  first.child.signal('SIGKILL');
  await until('it is dead', () => ear.of('NDEATH').length === 1);
  const second = LocalCarp.start(t, plan, first.folder);
  await until('it is born again', () => ear.of('DBIRTH').length === 2);
  assert.deepEqual([bdSeqs(ear, 'NBIRTH'), bdSeqs(ear, 'NDEATH')], [[0, 1], [0]]);
  assert.equal(await second.terminate(), 0);
  await until('it is dead, too', () => ear.of('NDEATH').length === 2);
  assert.deepEqual(bdSeqs(ear, 'NDEATH'), [0, 1]);
  assert.ok(ear.of('DDEATH').length >= 1, 'a group that stops is buried before its host');
  assert.ok(ear.heard.every(({ topic }) => /^spBv1\.0\/Werk 1\/\w+\/Halle 3(\/plant)?$/.test(topic)));
});
