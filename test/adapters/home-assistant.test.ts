import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { aimOf, readOrder } from '../../src/adapters/mqtt/commands/commands-order.ts';
import { homeAssistantPart } from '../../src/adapters/mqtt/home-assistant/home-assistant.ts';
import { deviceConfig } from '../../src/adapters/mqtt/home-assistant/home-assistant-device.ts';
import { deviceId } from '../../src/adapters/mqtt/home-assistant/home-assistant-names.ts';
import { Outbox } from '../../src/adapters/mqtt/outbox.ts';
import type { BusGroup, BusHost, Part } from '../../src/adapters/mqtt/part.ts';
import type { AlarmReport, MasterClaim } from '../../src/adapters/mqtt/payloads.ts';
import { MQTT_COMMANDS, type MqttSettings } from '../../src/adapters/mqtt/settings.ts';
import { memberPath, placeOf } from '../../src/adapters/mqtt/topics.ts';
import { DISCOVERY_TOPIC, type Discovered, discoveryMistakes, rendered } from '../support/home-assistant-schema.ts';
import { mqttSettings } from '../support/mqtt-settings.ts';
import { carpEvent } from './mqtt-events.ts';

const SCOPE = { base: 'carp', node: 'rpi1' };
const LEDGER = 'carp/node/rpi1/discovery';
const PLANT = 'homeassistant/device/carp_rpi1_plant/config';
const LAB = 'homeassistant/device/carp_rpi1_lab/config';
const AWKWARD = [
  'plant',
  'Halle 3',
  'größe',
  'a/b',
  'a b',
  'a_b',
  'a-b',
  'node',
  'ÄÖ',
  '日本',
  'x'.repeat(64),
  '%',
  '.',
  '__',
  '🏭',
];

const busGroup = (group: string, about: Partial<BusGroup> = {}): BusGroup => ({
  group,
  interface: 'eth0',
  vhid: 10,
  advbase: 1,
  deadratio: 3,
  addresses: [],
  addressing: 'interface',
  ...about,
});

const subsets = (all: readonly string[]): readonly (readonly string[])[] =>
  Array.from({ length: 2 ** all.length }, (_, bits) => all.filter((_one, i) => (bits >> i) % 2 === 1));

const config = (group: string, commands: readonly string[], scope = SCOPE): Discovered =>
  JSON.parse(deviceConfig(busGroup(group), { scope, version: '1.0.0', commands }));

describe('a device of Home Assistant', () => {
  test('has plain names where they are plain, and the same ones for ever', () => {
    assert.equal(deviceId(SCOPE, 'plant'), 'carp_rpi1_plant');
    assert.equal(deviceId(SCOPE, 'Line-3'), 'carp_rpi1_Line-3');
    assert.equal(deviceId(SCOPE, 'Halle 3'), 'carp_rpi1_Halle_3_12151b05');
    assert.equal(deviceId({ base: 'site/carp', node: 'rpi1' }, 'plant'), 'carp_rpi1_plant_22fd9604');
  });

  test('never shares its id with another node, group or base', () => {
    const ids = new Map<string, string>();
    for (const base of ['carp', 'site/carp', 'site_carp'])
      for (const node of AWKWARD)
        for (const group of AWKWARD) {
          const id = deviceId({ base, node }, group);
          assert.match(id, /^[A-Za-z0-9_-]+$/);
          const here = JSON.stringify([base, node, group]);
          assert.equal(ids.get(id), undefined, `${here} and ${ids.get(id)} are both ${id}`);
          ids.set(id, here);
        }
    assert.equal(ids.size, 3 * AWKWARD.length ** 2);
    assert.notEqual(deviceId({ base: 'carp', node: 'a_b' }, 'c'), deviceId({ base: 'carp', node: 'a' }, 'b_c'));
  });

  test('is what the documentation describes, whatever the names are and whatever is allowed', () => {
    let largest = 0;
    for (const commands of subsets(MQTT_COMMANDS))
      for (const node of ['plant', 'Halle 3'])
        for (const group of AWKWARD) {
          const scope = { base: 'acme/plant 1', node };
          const json = deviceConfig(busGroup(group), { scope, version: '1.0.0', commands });
          assert.deepEqual(discoveryMistakes(JSON.parse(json)), [], json);
          if (node === 'plant' && group === 'plant') largest = Math.max(largest, json.length);
        }
    console.log(`the largest configuration of plain names has ${largest} bytes`);
    assert.ok(largest < 4096);
  });

  test('would be refused if it had what the documentation does not have', () => {
    const good = config('plant', MQTT_COMMANDS);
    const { role, mode, demotion, interval, changes } = good.cmps;
    const bad: readonly (readonly [string, unknown])[] = [
      ['an option of the former name', { ...role, object_id: 'carp' }],
      ['no unique id', { ...role, uniq_id: undefined }],
      ['a class without options', { ...role, ops: undefined }],
      ['options of another class', { ...role, dev_cla: 'duration' }],
      ['a wildcard', { ...mode, cmd_t: 'carp/+/mode/set' }],
      ['a sensor that is configured', { ...demotion, ent_cat: 'config' }],
      ['a duration without unit', { ...interval, unit_of_meas: undefined }],
      ['an event without types', { ...changes, evt_typ: [] }],
      ['an entity id of another platform', { ...changes, default_entity_id: 'sensor.carp' }],
    ];
    assert.deepEqual(discoveryMistakes(good), []);
    for (const [what, component] of bad) {
      const payload: unknown = JSON.parse(JSON.stringify({ ...good, cmps: { it: component } }));
      assert.notDeepEqual(discoveryMistakes(payload), [], what);
    }
    assert.notDeepEqual(discoveryMistakes({ ...good, o: undefined }), [], 'no origin');
    assert.notDeepEqual(discoveryMistakes({ ...good, dev: { name: 'x' } }), [], 'no identifier');
  });

  test('offers to order what is allowed, and shows the rest', () => {
    assert.deepEqual(Object.keys(config('plant', []).cmps), [
      ...['master', 'role', 'holder', 'changes', 'alarm', 'mode_state', 'skew_state', 'demotion', 'interval'],
    ]);
    assert.deepEqual(Object.keys(config('plant', ['mode', 'advskew', 'hand-over']).cmps), [
      ...['master', 'role', 'holder', 'changes', 'alarm', 'mode', 'skew', 'handover', 'demotion', 'interval'],
    ]);
    for (const { cmd_t } of Object.values(config('plant', ['resync', 'query']).cmps)) assert.equal(cmd_t, undefined);
    const { mode, skew, handover } = config('plant', MQTT_COMMANDS).cmps;
    const path = memberPath(SCOPE, 'plant');
    assert.deepEqual(
      [mode?.cmd_t, skew?.cmd_t, handover?.cmd_t],
      [`${path}/mode/set`, `${path}/advskew/set`, `${path}/cmd/hand-over`],
    );
  });

  test('orders in words that a host understands', () => {
    for (const group of AWKWARD) {
      const { mode, skew, handover } = config(group, MQTT_COMMANDS).cmps;
      const pressed = [
        ...(mode?.ops ?? []).map((option) => [mode?.cmd_t, option] as const),
        ...['0', '100', '254'].map((number) => [skew?.cmd_t, number] as const),
        [handover?.cmd_t, handover?.pl_prs ?? ''] as const,
      ];
      assert.equal(pressed.length, 7);
      for (const [topic = '', payload] of pressed) {
        const { command, group: aimedAt } = aimOf(SCOPE, topic) ?? {};
        assert.equal(aimedAt, group);
        assert.ok(command !== undefined && readOrder(command, Buffer.from(payload)).ok, `${topic} ${payload}`);
      }
    }
  });

  test('listens to topics of the tree, and is there when the host is', () => {
    for (const group of AWKWARD) {
      const { cmps, avty, avty_mode } = config(group, MQTT_COMMANDS);
      assert.deepEqual([avty, avty_mode], [[{ t: 'carp/node/rpi1/status' }], 'all']);
      for (const { p, stat_t, json_attr_t } of Object.values(cmps)) {
        assert.equal(stat_t === undefined, p === 'button');
        for (const topic of [stat_t, json_attr_t]) if (topic !== undefined) assert.equal(groupIn(topic), group, topic);
      }
    }
  });

  test('selects what it should from what is published', () => {
    const { cmps } = config('plant', []);
    const event = carpEvent({ demotion: 7 });
    const claim: MasterClaim = { node: 'rpi2', address: '192.0.2.12', vhid: 10, since: event.at, at: event.at, seq: 1 };
    const alarm: AlarmReport = { active: true, alarms: [], group: 'plant', by: 'rpi2', at: event.at };
    const show = (key: string, payload: string): string => rendered(cmps[key]?.val_tpl, payload);
    assert.deepEqual(
      ['MASTER', 'BACKUP', 'INIT', 'STOPPED'].map((role) => show('master', role)),
      ['ON', 'OFF', 'OFF', 'OFF'],
    );
    assert.equal(show('role', 'BACKUP'), 'BACKUP');
    assert.ok(['MASTER', 'BACKUP', 'INIT', 'STOPPED'].every((role) => cmps['role']?.ops?.includes(role)));
    assert.equal(show('holder', JSON.stringify(claim)), 'rpi2');
    assert.equal(show('demotion', JSON.stringify(event)), '7');
    assert.equal(show('interval', JSON.stringify({ intervalMs: 1004 })), '1004');
    assert.equal(show('alarm', JSON.stringify(alarm)), 'ON');
    assert.equal(show('alarm', JSON.stringify({ ...alarm, active: false })), 'OFF');
    assert.throws(() => show('demotion', '{}'), /undefined/);
    const attributes = (key: string, payload: unknown): unknown =>
      JSON.parse(rendered(cmps[key]?.json_attr_tpl, JSON.stringify(payload)));
    assert.deepEqual(attributes('holder', claim), { address: '192.0.2.12', since: event.at });
    assert.deepEqual(attributes('alarm', alarm), { alarms: [], by: 'rpi2' });
    // A state that is told again has another time, and no other attributes: nothing for a database to keep.
    assert.deepEqual(
      attributes('role', event),
      attributes('role', { ...event, event: 'snapshot', at: '2026-11-22T12:00:10.000Z' }),
    );
  });
});

/** A topic of the tree names its group, or the test has found a topic that nobody publishes. */
const groupIn = (topic: string): string | undefined => {
  const place = placeOf('carp', topic);
  return place !== undefined && 'group' in place ? place.group : undefined;
};

/** A host with this part alone, and a broker that takes everything at once. */
class World {
  readonly told: { readonly topic: string; readonly payload: string }[] = [];
  readonly retained: Map<string, string>;
  groups: readonly BusGroup[] = [busGroup('plant'), busGroup('lab', { vhid: 11 })];
  readonly #outbox = new Outbox({
    expiry: 30,
    news: () => undefined,
    connected: () => this.#connected,
    now: () => this.#now,
  });
  readonly #part: Part;
  #connected = false;
  #now = 0;

  constructor(
    settings: Partial<MqttSettings> = {},
    retained = new Map<string, string>(),
    instance = '8000000000000000',
  ) {
    this.retained = retained;
    this.#part = homeAssistantPart({
      settings: mqttSettings({ url: 'mqtt://127.0.0.1', homeAssistant: true, ...settings }),
      scope: SCOPE,
      host: { node: 'rpi1', instance, version: '1.0.0', groups: () => this.groups } as unknown as BusHost,
      voice: this.#outbox,
      now: () => this.#now,
      wallClock: () => new Date(0),
      log: () => undefined,
      report: () => undefined,
    });
  }

  get filters(): readonly string[] {
    return this.#part.filters;
  }

  get waiting(): number {
    return this.#outbox.length;
  }

  connect(): void {
    this.#connected = true;
    this.#outbox.begin();
    this.#part.begin?.();
    for (const [topic, payload] of [...this.retained]) if (this.filters.includes(topic)) this.say(topic, payload, true);
    this.#deliver();
  }

  disconnect(): void {
    this.#connected = false;
  }

  say(topic: string, payload: string, retain = false): void {
    this.#part.heard?.({ topic, payload: Buffer.from(payload), retain });
    this.#deliver();
  }

  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 250) {
      this.#now += 250;
      this.#part.tick?.();
      this.#deliver();
    }
  }

  stop(): void {
    this.#part.end?.();
    this.#deliver();
    this.#connected = false;
  }

  device(topic: string): Discovered | undefined {
    const payload = this.retained.get(topic);
    return payload === undefined ? undefined : JSON.parse(payload);
  }

  entities(topic: string): readonly string[] {
    return Object.keys(this.device(topic)?.cmps ?? {});
  }

  #deliver(): void {
    for (let message = this.#outbox.next(); this.#connected && message !== undefined; message = this.#outbox.next()) {
      const { topic, payload } = message;
      this.told.push({ topic, payload });
      if (payload === '') this.retained.delete(topic);
      else this.retained.set(topic, payload);
      // What a broker says back to its author, who subscribed to it, is not retained.
      if (this.filters.includes(topic)) this.#part.heard?.({ topic, payload: Buffer.from(payload), retain: false });
    }
  }
}

const started = (settings: Partial<MqttSettings> = {}, retained = new Map<string, string>()): World => {
  const world = new World(settings, retained);
  world.connect();
  world.pass(3000);
  return world;
};

describe('discovery', () => {
  test('tells of each group once, after it has written down that it does', () => {
    const world = new World();
    world.connect();
    world.pass(1000);
    assert.deepEqual(world.told, [], 'what the broker has kept might still come');
    world.pass(2000);
    assert.deepEqual(
      world.told.map(({ topic }) => topic),
      [LEDGER, PLANT, LAB],
    );
    for (const { topic } of world.told.slice(1)) assert.match(topic, DISCOVERY_TOPIC);
    assert.deepEqual(discoveryMistakes(world.device(PLANT)), []);
    world.pass(60_000);
    assert.equal(world.told.length, 3, 'nothing is told twice');
  });

  test('of many groups is told bit by bit, because adverts go first', () => {
    const world = new World();
    world.groups = Array.from({ length: 100 }, (_, i) => busGroup(`g${i}`, { vhid: i + 1 }));
    world.connect();
    let most = 0;
    for (let ms = 0; ms < 5000; ms += 250) {
      const before = world.told.length;
      world.pass(250);
      most = Math.max(most, world.told.length - before);
    }
    assert.equal(world.told.length, 101);
    assert.equal(most, 17, 'sixteen devices, and the ledger before the first');
    world.groups = world.groups.slice(0, 99);
    world.pass(3000);
    assert.equal(world.device('homeassistant/device/carp_rpi1_g99/config'), undefined);
    assert.equal([...world.retained.keys()].length, 100);
  });

  test('is told anew to a new connection, in the background', () => {
    const world = started();
    world.disconnect();
    world.connect();
    assert.deepEqual(
      world.told
        .slice(3)
        .map(({ topic }) => topic)
        .sort(),
      [LEDGER, LAB, PLANT].sort(),
    );
  });

  test('of a group that is removed is taken back, and of a new one told', () => {
    const world = started();
    world.groups = [busGroup('plant'), busGroup('new')];
    world.pass(250);
    assert.equal(world.device(LAB), undefined);
    assert.ok(world.device('homeassistant/device/carp_rpi1_new/config'));
    assert.match(world.retained.get(LEDGER) ?? '', /carp_rpi1_lab/, 'it is remembered until it has surely gone');
    world.pass(11_000);
    assert.doesNotMatch(world.retained.get(LEDGER) ?? '', /carp_rpi1_lab/);
    const count = world.told.length;
    world.pass(60_000);
    assert.equal(world.told.length, count);
  });

  test('of a group that is removed just before the host stops is taken back as well', () => {
    const world = started();
    world.groups = [busGroup('plant')];
    world.stop();
    assert.equal(world.device(LAB), undefined);
  });

  test('of a group whose interface changes changes', () => {
    const world = started();
    world.groups = [busGroup('plant', { interface: 'eth1' }), busGroup('lab', { vhid: 11 })];
    world.pass(250);
    assert.match(world.retained.get(PLANT) ?? '', /VHID 10 on eth1/);
    assert.deepEqual(
      world.told.slice(3).map(({ topic }) => topic),
      [PLANT],
    );
  });

  test('of groups that were removed while the host was away is taken back at its next start', () => {
    const { retained } = started();
    const next = new World({}, retained);
    next.groups = [busGroup('plant')];
    next.connect();
    assert.ok(next.device(LAB), 'a twin might own it, of whom nothing is known yet');
    next.pass(2000);
    assert.ok(next.device(PLANT));
    assert.equal(next.device(LAB), undefined);
  });

  test('that was switched off is taken back, without hearing what others tell', () => {
    const { retained } = started();
    retained.set('homeassistant/device/carp_rpi2_plant/config', '{}');
    const off = new World({ homeAssistant: false }, retained);
    assert.deepEqual(off.filters, [LEDGER]);
    off.connect();
    off.pass(2000);
    assert.equal(off.device(PLANT), undefined);
    assert.equal(off.device(LAB), undefined);
    assert.ok(off.retained.has(LEDGER), 'until it has surely gone');
    off.pass(11_000);
    assert.deepEqual([...off.retained.keys()], ['homeassistant/device/carp_rpi2_plant/config']);
  });

  test('that was never on says nothing', () => {
    const off = new World({ homeAssistant: false });
    off.connect();
    off.pass(60_000);
    assert.deepEqual(off.told, []);
  });

  test('moves with its prefix', () => {
    const { retained } = started();
    const moved = started({ homeAssistantPrefix: 'home/ha' }, retained);
    assert.ok(moved.device('home/ha/device/carp_rpi1_plant/config'));
    assert.equal(moved.device(PLANT), undefined);
    assert.equal(moved.device(LAB), undefined);
  });

  test('takes back an entity that is no longer offered: first by its platform alone, then by leaving it out', () => {
    const { retained } = started({ commands: true });
    const next = new World({ commands: ['advskew'] }, retained);
    next.connect();
    next.pass(2000);
    const cmps = next.device(PLANT)?.cmps;
    assert.deepEqual(cmps?.['mode'], { p: 'select' });
    assert.deepEqual(cmps['handover'], { p: 'button' });
    assert.equal(cmps['mode_state']?.p, 'sensor');
    assert.deepEqual(discoveryMistakes(next.device(PLANT)), []);
    next.pass(11_000);
    assert.deepEqual(next.entities(PLANT), Object.keys(config('plant', ['advskew']).cmps));
    assert.doesNotMatch(next.retained.get(LEDGER) ?? '', /handover/);
  });

  test('takes back what a connection that broke has left', () => {
    const { retained } = started({ commands: true });
    const next = new World({}, retained);
    next.groups = [busGroup('plant')];
    next.connect();
    next.pass(2000);
    next.disconnect();
    next.pass(60_000);
    assert.match(next.retained.get(LEDGER) ?? '', /handover/);
    next.connect();
    next.pass(5000);
    assert.ok(next.entities(PLANT).includes('handover'), 'the broker may have seen it a moment ago');
    next.pass(6000);
    assert.ok(!next.entities(PLANT).includes('handover'));
  });

  test('clears nothing of others, whatever somebody has written into its ledger', () => {
    const foreign = [
      'homeassistant/device/carp_rpi2_plant/config',
      'homeassistant/device/zigbee_1/config',
      'homeassistant/sensor/carp_rpi1_plant/config',
      'carp/plant/node/rpi1/role',
      '#',
      'homeassistant/device/carp_rpi1_+/config',
      '',
    ];
    for (const ledger of [
      JSON.stringify({ topics: [...foreign, 1, null, {}], entities: { x: 'sensor', mode: 'sensor', __proto__: 1 } }),
      JSON.stringify({ topics: 'x', entities: null }),
      '{"topics":',
      'null',
      '[]',
      ' '.repeat(300_000),
    ]) {
      const world = new World({}, new Map([[LEDGER, ledger]]));
      world.connect();
      world.pass(15_000);
      assert.deepEqual(
        [...new Set(world.told.map(({ topic }) => topic))].sort(),
        [LEDGER, LAB, PLANT].sort(),
        ledger.slice(0, 100),
      );
      assert.ok(world.told.every(({ payload }) => payload !== ''));
      assert.deepEqual(world.entities(PLANT), Object.keys(config('plant', []).cmps));
    }
  });

  test('answers a Home Assistant that starts, once, and not in chorus with other hosts', () => {
    const answered = (instance: string): number => {
      const world = new World({}, new Map(), instance);
      world.connect();
      world.pass(3000);
      const before = world.told.length;
      for (let i = 0; i < 20; i += 1) world.say('homeassistant/status', 'online');
      let ms = 0;
      for (; world.told.length === before && ms < 20_000; ms += 250) world.pass(250);
      assert.deepEqual(
        world.told.slice(before).map(({ topic }) => topic),
        [PLANT, LAB],
      );
      world.pass(20_000);
      assert.equal(world.told.length, before + 2);
      return ms;
    };
    const times = Array.from({ length: 16 }, (_, i) => answered(`${i.toString(16)}800000000000000`));
    assert.ok(new Set(times).size >= 8, `they answer after ${times.join(', ')} ms`);
    assert.ok(Math.max(...times) <= 6000);
  });

  test('leaves a birth alone that is retained, an offline, and anything else on that topic', () => {
    const world = started();
    world.say('homeassistant/status', 'online', true);
    world.say('homeassistant/status', 'offline');
    world.say('homeassistant/status', '');
    world.pass(20_000);
    assert.equal(world.told.length, 3);
  });
});
