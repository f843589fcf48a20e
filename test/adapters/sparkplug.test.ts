import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { EMPTY } from 'rxjs';
import { createBirthNumbers } from '../../src/adapters/sparkplug/birth-number.ts';
import { createMaintenanceDesk, readOrder } from '../../src/adapters/sparkplug/commands.ts';
import {
  deathCertificate,
  EdgeNode,
  type EdgeNodeOptions,
  type SparkplugMessage,
} from '../../src/adapters/sparkplug/edge-node.ts';
import { loadPayloadCodec } from '../../src/adapters/sparkplug/payload.ts';
import { createPrimaryHost } from '../../src/adapters/sparkplug/primary-host.ts';
import { createSparkplugPublisher } from '../../src/adapters/sparkplug/publisher.ts';
import { CarpError, problemOf } from '../../src/ports/error.ts';
import { busGroup, busHost } from '../support/bus-host.ts';
import { mqttSettings } from '../support/mqtt-settings.ts';
import { carpEvent } from './mqtt-events.ts';
import { command, decoded, needsSparkplug, Plant, type SparkplugHeard, valuesOf } from './sparkplug-ear.ts';

const AT = Date.UTC(2026, 10, 22, 12);
const IDS = { group: 'Werk 1', edgeNode: 'rpi1' };
const random = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};

const edgeOf = (plant: Plant, about: Partial<EdgeNodeOptions> = {}): EdgeNodeOptions => ({
  ids: IDS,
  host: plant.host,
  codec: loadPayloadCodec(),
  mayOrder: false,
  wallClock: () => AT,
  ...about,
});

const read = (messages: Iterable<SparkplugMessage>): readonly SparkplugHeard[] =>
  Array.from(messages, ({ topic, payload }) => decoded(topic, payload));

/** Its birth, and those of its groups. */
const birthOf = (node: EdgeNode): readonly SparkplugHeard[] => read([node.birth(), ...node.compare()]);

describe('an edge node', { skip: needsSparkplug }, () => {
  test('is born with its number, and its groups after it', () => {
    const plant = new Plant('plant', 'lab');
    const [node, ...devices] = birthOf(new EdgeNode(edgeOf(plant), 17));
    assert.deepEqual([node?.topic, node?.seq, node?.timestamp], ['spBv1.0/Werk 1/NBIRTH/rpi1', 0, AT]);
    assert.deepEqual(node?.metrics, {
      bdSeq: { type: 'Int64', value: 17, at: AT },
      'Node Control/Rebirth': { type: 'Boolean', value: false, at: AT },
      'Properties/Software': { type: 'String', value: 'node-red-carp', at: AT },
      'Properties/Version': { type: 'String', value: '1.2.3', at: AT },
    });
    assert.deepEqual(
      devices.map(({ topic, seq }) => [topic, seq]),
      [
        ['spBv1.0/Werk 1/DBIRTH/rpi1/plant', 1],
        ['spBv1.0/Werk 1/DBIRTH/rpi1/lab', 2],
      ],
    );
  });

  test('tells all of a group at its birth, in types that a plant can use', () => {
    const plant = new Plant('plant');
    plant.change({
      group: 'plant',
      role: 'MASTER',
      advskew: 100,
      demotion: 7,
      seq: 3,
      addresses: ['192.0.2.100/24', '::1/128'],
    });
    const [, device] = birthOf(new EdgeNode(edgeOf(plant), 0));
    const at = Date.parse('2026-11-22T12:00:00.123Z');
    assert.deepEqual(device?.metrics, {
      Role: { type: 'String', value: 'MASTER', at },
      IsMaster: { type: 'Boolean', value: true, at },
      MasterAddress: { type: 'String', value: null, at },
      Reason: { type: 'String', value: 'master-timeout', at },
      Transitions: { type: 'Int64', value: 3, at },
      AdvSkew: { type: 'Int32', value: 100, at },
      Demotion: { type: 'Int32', value: 7, at },
      'Properties/VHID': { type: 'Int32', value: 10, at },
      'Properties/Interface': { type: 'String', value: 'eth0', at },
      'Properties/Addresses': { type: 'String', value: '192.0.2.100/24, ::1/128', at },
    });
  });

  test('reports what has changed, and nothing else', () => {
    const plant = new Plant('plant', 'lab');
    const node = new EdgeNode(edgeOf(plant), 0);
    birthOf(node);
    assert.deepEqual([...node.compare()], []);
    const [data, ...more] = read(
      node.tell(
        plant.change({ group: 'plant', role: 'MASTER', seq: 2, master: { address: '192.0.2.11', self: true } }),
      ),
    );
    assert.deepEqual(more, []);
    assert.deepEqual([data?.topic, data?.seq], ['spBv1.0/Werk 1/DDATA/rpi1/plant', 3]);
    assert.deepEqual(data === undefined ? {} : valuesOf(data), {
      Role: 'MASTER',
      IsMaster: true,
      MasterAddress: '192.0.2.11',
      Transitions: 2,
    });
    assert.deepEqual([...node.compare()], []);
    plant.change({ group: 'lab', demotion: 240 });
    assert.deepEqual(read(node.compare()).map(valuesOf), [{ Demotion: 240 }]);
  });

  test('counts its messages from 0 to 255 and on from 0', () => {
    const plant = new Plant('plant');
    const node = new EdgeNode(edgeOf(plant), 0);
    birthOf(node);
    const seqs = Array.from(
      { length: 600 },
      (_, i) => read(node.tell(plant.change({ group: 'plant', seq: i + 2 })))[0]?.seq,
    );
    assert.deepEqual(
      seqs,
      Array.from({ length: 600 }, (_, i) => (i + 2) % 256),
    );
  });

  test('buries a group that has stopped or was removed, once, and gives it a new birth when it is back', () => {
    const plant = new Plant('plant', 'lab');
    const node = new EdgeNode(edgeOf(plant), 0);
    birthOf(node);
    const stopped = plant.change({ group: 'plant', role: 'STOPPED', seq: 2 });
    const [death, ...more] = read(node.tell(stopped));
    assert.deepEqual([death?.topic, death?.seq, death?.metrics], ['spBv1.0/Werk 1/DDEATH/rpi1/plant', 3, {}]);
    assert.deepEqual([more, node.tell(stopped), [...node.compare()]], [[], [], []]);
    plant.remove('lab');
    assert.deepEqual(
      read(node.compare()).map(({ type, device }) => [type, device]),
      [['DDEATH', 'lab']],
    );
    assert.deepEqual([...node.compare()], []);
    const [birth] = read(node.tell(plant.change({ group: 'plant', role: 'INIT', seq: 3 })));
    assert.deepEqual([birth?.type, Object.keys(birth?.metrics ?? {}).length], ['DBIRTH', 10]);
    plant.groups = [...plant.groups, busGroup('new')];
    plant.change({ group: 'new' });
    assert.deepEqual(
      read(node.compare()).map(({ type, device }) => [type, device]),
      [['DBIRTH', 'new']],
    );
  });

  test('does not bury what was never born, nor gives birth to what nobody configured', () => {
    const plant = new Plant('plant');
    const node = new EdgeNode(edgeOf(plant), 0);
    birthOf(node);
    assert.deepEqual(node.tell(carpEvent({ group: 'unknown', role: 'STOPPED' })), []);
    assert.deepEqual(node.tell(carpEvent({ group: 'unknown', role: 'MASTER' })), []);
  });

  test('shows maintenance where it may be ordered, and only there', () => {
    const plant = new Plant('plant');
    const node = new EdgeNode(edgeOf(plant, { mayOrder: true }), 0);
    assert.equal(birthOf(node)[1]?.metrics['Control/Maintenance']?.value, false);
    plant.modes.set('plant', 'maintenance');
    assert.deepEqual(read(node.compare()).map(valuesOf), [{ 'Control/Maintenance': true }]);
    plant.modes.set('plant', 'observe');
    assert.deepEqual(read(node.compare()).map(valuesOf), [{ 'Control/Maintenance': false }]);
  });

  test('is born again with everything, the same number, and the first seq', () => {
    const plant = new Plant('plant');
    const node = new EdgeNode(edgeOf(plant), 200);
    const first = birthOf(node);
    node.tell(plant.change({ group: 'plant', demotion: 1 }));
    const second = birthOf(node);
    assert.deepEqual(second[0], first[0]);
    assert.deepEqual([second[1]?.seq, second[1]?.metrics['Demotion']?.value], [1, 1]);
  });

  test('does not tell what is old in the middle of a comparison', () => {
    const plant = new Plant('plant', 'lab');
    const node = new EdgeNode(edgeOf(plant), 0);
    node.birth();
    const births = node.compare();
    births.next();
    const [birth] = read(node.tell(plant.change({ group: 'lab', role: 'MASTER' })));
    assert.deepEqual([birth?.type, birth?.seq, birth?.metrics['Role']?.value], ['DBIRTH', 2, 'MASTER']);
    assert.deepEqual([...births], [], 'its state of a moment ago is not told');
    assert.deepEqual([...node.compare()], []);
  });

  test('dies with its number and without a seq', () => {
    const { metrics, seq } = decoded('spBv1.0/g/NDEATH/n', deathCertificate(edgeOf(new Plant()), 255));
    assert.deepEqual([metrics, seq], [{ bdSeq: { type: 'Int64', value: 255, at: AT } }, undefined]);
  });

  test('keeps its topics whole, whatever its names are', () => {
    const plant = new Plant('größe 1');
    const ids = { group: 'a/b', edgeNode: '+#' };
    for (const { topic } of birthOf(new EdgeNode(edgeOf(plant, { ids }), 0)))
      assert.match(topic, /^spBv1\.0\/a_b\/(NBIRTH\/__|DBIRTH\/__\/größe 1)$/);
  });
});

describe('an order of a host application', { skip: needsSparkplug }, () => {
  const codec = needsSparkplug === false ? loadPayloadCodec() : undefined;

  test('is understood where it means something, and unknown where it does not', () => {
    assert.ok(codec);
    const order = (name: string, value: string | boolean | null) => readOrder(codec, command(name, value));
    assert.deepEqual(order('Node Control/Rebirth', true), { type: 'rebirth' });
    assert.deepEqual(order('Control/Maintenance', true), { type: 'maintenance', on: true });
    assert.deepEqual(order('Control/Maintenance', false), { type: 'maintenance', on: false });
    for (const [name, value] of [
      ['Node Control/Rebirth', false],
      ['Node Control/Rebirth', 'true'],
      ['Node Control/Rebirth', null],
      ['node control/rebirth', true],
      ['Control/Maintenance', 'true'],
      ['Control/Maintenance', null],
      ['Node Control/Reboot', true],
    ] as const)
      assert.deepEqual(order(name, value), { type: 'unknown' }, `${name} ${value}`);
  });

  test('is nothing when it is garbage, 10,000 times', () => {
    assert.ok(codec);
    const next = random(6);
    const good = command('Node Control/Rebirth', true);
    let understood = 0;
    for (let i = 0; i < 10_000; i += 1) {
      const bytes = Uint8Array.from({ length: Math.floor(next() * 64) }, () => Math.floor(next() * 256));
      if (i % 2 === 0) assert.deepEqual(readOrder(codec, bytes), { type: 'unknown' });
      else {
        // One that was cut or damaged may still be one, and must never be an error.
        const damaged = Uint8Array.from(good);
        damaged[Math.floor(next() * damaged.length)] = Math.floor(next() * 256);
        if (readOrder(codec, damaged).type === 'rebirth') understood += 1;
      }
    }
    assert.ok(understood < 5000);
    assert.deepEqual(readOrder(codec, new Uint8Array(20_000)), { type: 'unknown' });
  });

  test('of many for maintenance the last is carried out, one a second, and none that changes nothing', async () => {
    const plant = new Plant('plant', 'lab');
    const desk = createMaintenanceDesk(plant.host, () => undefined);
    desk.wish('plant', false);
    desk.work(0);
    assert.deepEqual(plant.orders, []);
    for (let i = 0; i < 1001; i += 1) desk.wish('plant', i % 2 === 0);
    desk.wish('lab', true);
    desk.work(0);
    await Promise.resolve();
    assert.deepEqual(plant.orders, ['plant maintenance', 'lab maintenance']);
    desk.wish('plant', false);
    await new Promise(setImmediate);
    desk.work(999);
    assert.equal(plant.orders.length, 2);
    desk.work(1000);
    assert.deepEqual(plant.orders.slice(2), ['plant normal']);
  });

  test('does not end what is no maintenance, neither by its end nor by its begin', async () => {
    const plant = new Plant('plant');
    plant.modes.set('plant', 'observe');
    const refused: string[] = [];
    const desk = createMaintenanceDesk(plant.host, (group, error) =>
      refused.push(`${group}: ${problemOf(error).message}`),
    );
    desk.wish('plant', false);
    desk.work(0);
    assert.deepEqual([plant.orders, refused], [[], []]);
    for (const now of [1, 2, 1000, 1001]) {
      desk.wish('plant', true);
      desk.work(now);
    }
    assert.deepEqual(
      [plant.orders, refused],
      [[], ['plant: it only observes', 'plant: it only observes']],
      'once a second',
    );
  });

  test('that is refused is told, and the next one is tried', async () => {
    const refused: string[] = [];
    const setMode = (): Promise<void> => Promise.reject(new CarpError('CARP_FAILED', 'the disk is full'));
    const host = busHost({ operator: { ...busHost().operator, setMode } });
    const desk = createMaintenanceDesk(host, (group, error) => refused.push(`${group}: ${problemOf(error).message}`));
    for (const now of [0, 1000]) {
      desk.wish('plant', true);
      desk.work(now);
      await new Promise(setImmediate);
    }
    assert.deepEqual(refused, ['plant: the disk is full', 'plant: the disk is full']);
  });
});

describe('the number of a birth', () => {
  const folders: string[] = [];
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });
  const folderOf = (): string => {
    const folder = mkdtempSync(join(tmpdir(), 'carp-sparkplug-'));
    folders.push(folder);
    return folder;
  };

  test('begins at 0, is one more each time, over restarts, and 0 again after 255', async () => {
    const folder = join(folderOf(), 'not', 'yet');
    const seen: number[] = [];
    const logged: string[] = [];
    for (let restart = 0; restart < 3; restart += 1) {
      const numbers = createBirthNumbers(IDS, folder, (_level, message) => logged.push(message));
      for (let i = 0; i < 100; i += 1) seen.push(await numbers.next());
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 300 }, (_, i) => i % 256),
    );
    assert.deepEqual(logged, []);
    const [file = ''] = readdirSync(folder);
    assert.equal(statSync(join(folder, file)).mode & 0o777, 0o600);
  });

  test('is not used up by a connection that never came about', async () => {
    const folder = folderOf();
    const numbers = createBirthNumbers(IDS, folder, () => undefined);
    assert.equal(await numbers.next(), 0);
    numbers.unused();
    assert.equal(await numbers.next(), 0);
    assert.equal(await numbers.next(), 1);
    assert.equal(await createBirthNumbers(IDS, folder, () => undefined).next(), 2);
  });

  test('is another edge node’s own affair', async () => {
    const folder = folderOf();
    await createBirthNumbers(IDS, folder, () => undefined).next();
    assert.equal(await createBirthNumbers({ ...IDS, edgeNode: 'rpi2' }, folder, () => undefined).next(), 0);
  });

  test('is counted without a folder, with a damaged file, and with a folder that is none, which is said once', async () => {
    const none = createBirthNumbers(IDS, undefined, () => assert.fail('there is nothing to complain about'));
    assert.deepEqual([await none.next(), await none.next()], [0, 1]);
    const folder = folderOf();
    await createBirthNumbers(IDS, folder, () => undefined).next();
    const [name = ''] = readdirSync(folder);
    for (const damage of ['', '{', '{"bdSeq":256}', '{"bdSeq":"1"}', 'null']) {
      writeFileSync(join(folder, name), damage);
      const logged: string[] = [];
      assert.equal(await createBirthNumbers(IDS, folder, (_level, message) => logged.push(message)).next(), 0, damage);
      assert.ok(logged.length <= 1);
    }
    const logged: string[] = [];
    const nowhere = createBirthNumbers(IDS, join(folder, name), (level, message, fields) =>
      logged.push(`${level} ${message} ${JSON.stringify(fields)}`),
    );
    assert.deepEqual([await nowhere.next(), await nowhere.next()], [0, 1]);
    assert.equal(logged.length, 1);
    assert.match(logged[0] ?? '', /^warn sparkplug: the number .*"remedy":"make .* writable/);
  });
});

test('a primary host is believed by the newest thing it said, and by nothing that it did not say', () => {
  const host = createPrimaryHost();
  const say = (state: unknown) => host.hear(Buffer.from(typeof state === 'string' ? state : JSON.stringify(state)));
  assert.equal(host.isOnline(), undefined);
  for (const junk of [
    '',
    'ONLINE',
    '{',
    'null',
    '[]',
    '{"online":true}',
    { online: 'true', timestamp: 1 },
    { online: true, timestamp: '1' },
    ' '.repeat(5000),
  ])
    say(junk);
  assert.equal(host.isOnline(), undefined);
  say({ online: true, timestamp: 100 });
  assert.equal(host.isOnline(), true);
  say({ online: false, timestamp: 99 });
  assert.equal(host.isOnline(), true, 'a will of a former connection');
  say({ online: false, timestamp: 100 });
  assert.equal(host.isOnline(), false);
});

test('without the module there is no Sparkplug, a line that helps, and no harm', async () => {
  const lines: string[] = [];
  const publisher = createSparkplugPublisher({
    settings: { ...mqttSettings({ url: 'mqtt://127.0.0.1:1' }), sparkplug: { group: 'Werk 1' } },
    host: busHost(),
    machineId: '01234567',
    events$: EMPTY,
    log: (level, message, fields) => lines.push(`${level} ${message}: ${JSON.stringify(fields)}`),
    loadCodec: () =>
      loadPayloadCodec(() => {
        throw Object.assign(new Error("Cannot find module 'sparkplug-payload'"), { code: 'MODULE_NOT_FOUND' });
      }),
  });
  await publisher.close();
  publisher.kill();
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /^error sparkplug of rpi1 is off: .*not installed.*npm install sparkplug-payload@/);
});
