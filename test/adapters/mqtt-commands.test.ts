import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { commandsPart, OBEYED, WAITING_MAX } from '../../src/adapters/mqtt/commands/commands.ts';
import { PAYLOAD_BYTES_MAX, readOrder } from '../../src/adapters/mqtt/commands/commands-order.ts';
import type { CommandResult } from '../../src/adapters/mqtt/commands/commands-reply.ts';
import { Outbox } from '../../src/adapters/mqtt/outbox.ts';
import type { Announcement, BusGroup, BusHost, Incoming, Mode, Part, Voice } from '../../src/adapters/mqtt/part.ts';
import { MQTT_COMMANDS, type MqttSettings } from '../../src/adapters/mqtt/settings.ts';
import { groupTopic, memberTopic } from '../../src/adapters/mqtt/topics.ts';
import type { CarpEvent } from '../../src/engine/status.ts';
import { CarpError } from '../../src/ports/error.ts';
import { mqttSettings } from '../support/mqtt-settings.ts';

const scope = { base: 'carp', node: 'rpi1' };
const plant = 'carp/plant/node/rpi1';

const busGroup = (group: string): BusGroup => ({
  group,
  interface: 'eth0',
  vhid: 10,
  advbase: 1,
  deadratio: 3,
  addresses: [],
  addressing: 'interface',
});

const snapshotOf = (group: string): CarpEvent => ({
  event: 'snapshot',
  group,
  interface: 'eth0',
  vhid: 10,
  node: 'rpi1',
  role: 'MASTER',
  previous: 'BACKUP',
  reason: 'master-timeout',
  detail: '',
  at: '2026-11-22T12:00:00.000Z',
  seq: 2,
  advbase: 1,
  advskew: 0,
  demotion: 0,
  addresses: ['192.0.2.100/24'],
});

/** What a command does that takes its time. */
interface Gate {
  readonly open: () => void;
  readonly opened: Promise<void>;
}

const gate = (): Gate => {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
};

interface Stage {
  readonly part: Part;
  readonly done: string[];
  readonly told: Announcement[];
  readonly results: () => readonly CommandResult[];
  readonly logged: string[];
  readonly say: (topic: string, payload?: string | Uint8Array, more?: Partial<Incoming>) => Promise<void>;
  readonly clock: { now: number };
}

interface StageOptions {
  readonly settings?: Partial<MqttSettings>;
  readonly handOver?: BusHost['operator']['handOver'];
  readonly voice?: Partial<Voice>;
}

const stage = ({ settings = {}, handOver, voice = {} }: StageOptions = {}): Stage => {
  const done: string[] = [];
  const told: Announcement[] = [];
  const logged: string[] = [];
  const clock = { now: 0 };
  let mode: Mode = 'normal';
  const host: BusHost = {
    node: 'rpi1',
    instance: '0123456789abcdef',
    startedAt: '2026-11-22T12:00:00.000Z',
    version: '0.0.0',
    groups: () => ['plant', 'lab', 'a/b'].map(busGroup),
    snapshots: (only = assert.fail('255 groups take their time, and 255 may be asked for')) => [snapshotOf(only)],
    status: () => ({ node: 'rpi1', groups: [] }),
    peers: () => [],
    modeOf: () => mode,
    operator: {
      handOver: async (group, force) => {
        done.push(`hand over ${group}${force ? ' by force' : ''}`);
        return handOver === undefined ? { address: '192.0.2.12', afterMs: 7 } : handOver(group, force);
      },
      setMode: async (group, wanted) => {
        done.push(`${wanted} ${group}`);
        mode = wanted;
      },
      setAdvskew: async (group, advskew) => {
        done.push(`advskew ${group} ${advskew ?? 'default'}`);
        return { advskew: advskew ?? 0, role: 'MASTER' };
      },
    },
  };
  const part = commandsPart({
    settings: mqttSettings({ url: 'mqtt://broker', commands: true, ...settings }),
    scope,
    host,
    voice: {
      keep: () => assert.fail('nothing is retained'),
      clear: () => assert.fail('nothing is cleared'),
      leave: () => assert.fail('nothing is left'),
      kept: () => [],
      repeat: () => 0,
      tell: (announcement) => void told.push(announcement),
      dropped: () => 0,
      connected: () => true,
      ...voice,
    },
    now: () => clock.now,
    wallClock: () => new Date('2026-11-22T12:00:00.123Z'),
    log: (level, message, fields) => logged.push(JSON.stringify([level, message, fields])),
    report: () => undefined,
  });
  return {
    part,
    done,
    told,
    logged,
    clock,
    results: () => told.map(({ payload }) => JSON.parse(payload) as CommandResult),
    say: async (topic, payload = '', more = {}) => {
      const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
      part.heard?.({ topic, payload: bytes, retain: false, ...more });
      // What is obeyed answers some microtasks later.
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
};

/** The last answer, as code or outcome. */
const outcome = ({ results }: Stage): unknown => {
  const { ok, error, result } = results().at(-1) ?? {};
  return ok === true ? result : error?.code;
};

describe('commands over MQTT', () => {
  test('nothing is subscribed to unless commands are switched on', () => {
    for (const commands of [false, []]) {
      const { part } = stage({ settings: { commands } });
      assert.deepEqual([part.filters, part.heard], [[], undefined]);
    }
    assert.deepEqual(stage().part.filters, [
      'carp/+/node/rpi1/mode/set',
      'carp/+/node/rpi1/advskew/set',
      'carp/+/node/rpi1/cmd/+',
    ]);
  });

  test('each command is obeyed in all its spellings', async () => {
    for (const [topic, payload, done] of [
      ['mode/set', 'maintenance', 'maintenance plant'],
      ['mode/set', ' observe\n', 'observe plant'],
      ['mode/set', '{"mode": "normal"}', 'normal plant'],
      ['advskew/set', '0', 'advskew plant 0'],
      ['advskew/set', '254', 'advskew plant 254'],
      ['advskew/set', 'default', 'advskew plant default'],
      ['advskew/set', '{"advskew": 100}', 'advskew plant 100'],
      ['advskew/set', '{"advskew": "default"}', 'advskew plant default'],
      ['cmd/hand-over', '', 'hand over plant'],
      ['cmd/hand-over', 'PRESS', 'hand over plant'],
      ['cmd/handover', '{}', 'hand over plant'],
      ['cmd/hand-over', '{"force": true}', 'hand over plant by force'],
    ] as const) {
      const bench = stage();
      await bench.say(`${plant}/${topic}`, payload);
      assert.deepEqual(bench.done, [done], `${topic} ${payload}`);
      assert.deepEqual(
        bench.told.map((one) => [one.topic, one.qos]),
        [[`${plant}/cmd/result`, 1]],
      );
      assert.equal(bench.results()[0]?.ok, true);
      assert.equal(bench.logged.length, 1);
    }
  });

  test('the neighbours of what is understood are refused, and the answer says what is', async () => {
    for (const [topic, payload] of [
      ['mode/set', 'Maintenance'],
      ['mode/set', ''],
      ['mode/set', '"observe"'],
      ['mode/set', '{"mode": "off"}'],
      ['mode/set', '{"mode": "observe", "group": "lab"}'],
      ['mode/set', '{"id": 7}'],
      ['advskew/set', '255'],
      ['advskew/set', '-1'],
      ['advskew/set', '1e2'],
      ['advskew/set', '12.5'],
      ['advskew/set', '{"advskew": 254.5}'],
      ['advskew/set', '{"advskew": null}'],
      ['advskew/set', '{"advskew": "7"}'],
      ['cmd/hand-over', 'press'],
      ['cmd/hand-over', 'true'],
      ['cmd/hand-over', '{"force": "yes"}'],
      ['cmd/hand-over', '{"force": true'],
      ['cmd/hand-over', '[]'],
      ['cmd/resync', '{"force": true}'],
      ['cmd/query', '{"__proto__": {"id": 1}}'],
    ] as const) {
      const bench = stage();
      await bench.say(`${plant}/${topic}`, payload);
      assert.deepEqual([bench.done, outcome(bench)], [[], 'CARP_PAYLOAD'], `${topic} ${payload}`);
      assert.match(bench.results()[0]?.error?.message ?? '', /it may be .{4}/);
      assert.equal(bench.told[0]?.qos, 0);
    }
  });

  test('an answer says what came of it, to which command, and when', async () => {
    const bench = stage();
    await bench.say(`${plant}/cmd/hand-over`, '{"id": "job 7"}');
    assert.deepEqual(bench.results(), [
      {
        id: 'job 7',
        command: 'hand-over',
        group: 'plant',
        node: 'rpi1',
        ok: true,
        result: { address: '192.0.2.12', afterMs: 7 },
        at: '2026-11-22T12:00:00.123Z',
      },
    ]);
    await bench.say(`${plant}/mode/set`, '{"id": 8, "mode": "observe"}');
    assert.deepEqual(bench.results()[1]?.result, { mode: 'observe', role: 'MASTER', demotion: 0 });
    assert.equal(bench.results()[1]?.id, 8);
    await bench.say(`${plant}/cmd/query`);
    assert.deepEqual(bench.results()[2]?.result, { ...snapshotOf('plant'), mode: 'observe' });
    assert.equal(Object.hasOwn(bench.results()[2] ?? {}, 'id'), false);
  });

  test('what the agent refuses is answered with its code and its remedy', async () => {
    const bench = stage({
      handOver: async () => {
        throw new CarpError('CARP_NOT_MASTER', 'plant is BACKUP here', { remedy: 'do that on the MASTER' });
      },
    });
    await bench.say(`${plant}/cmd/hand-over`, '{"id": 1}');
    const [{ ok, error } = { ok: true }] = bench.results();
    assert.deepEqual(
      [ok, error],
      [false, { code: 'CARP_NOT_MASTER', message: 'plant is BACKUP here', remedy: 'do that on the MASTER' }],
    );
    assert.equal(bench.told[0]?.qos, 1);
  });

  test('a forced hand-over that nobody answers has done what it should; any other has not', async () => {
    const handOver = async (): Promise<never> => {
      throw new CarpError('CARP_NOBODY', 'nobody took over plant');
    };
    const bench = stage({ handOver });
    await bench.say(`${plant}/cmd/hand-over`, '{"force": true}');
    assert.deepEqual(outcome(bench), { address: null, released: true });
    await bench.say(`${plant}/cmd/hand-over`);
    assert.equal(outcome(bench), 'CARP_NOBODY');
  });

  test('what is not allowed, not ours, not known or retained is refused, and the answer says which', async () => {
    for (const [topic, code, more] of [
      [`${plant}/advskew/set`, 'CARP_NOT_ALLOWED', {}],
      [`${plant}/cmd/resync`, 'CARP_NOT_ALLOWED', {}],
      [`${plant}/cmd/hand-over`, 'CARP_RETAINED', { retain: true }],
      [`${plant}/cmd/reboot`, 'CARP_NO_COMMAND', {}],
      [`${plant}/cmd/toString`, 'CARP_NO_COMMAND', {}],
      ['carp/other/node/rpi1/cmd/hand-over', 'CARP_NO_GROUP', {}],
      // It decodes to "plant", and is no topic of ours.
      ['carp/%70lant/node/rpi1/cmd/hand-over', 'CARP_NO_GROUP', {}],
      ['carp/%E0/node/rpi1/cmd/hand-over', 'CARP_NO_GROUP', {}],
    ] as const) {
      const bench = stage({ settings: { commands: ['mode', 'hand-over'] } });
      await bench.say(topic, 'PRESS', more);
      assert.deepEqual([bench.done, outcome(bench)], [[], code], topic);
      assert.equal(bench.told[0]?.topic, `${topic.split('/').slice(0, 4).join('/')}/cmd/result`);
      assert.ok((bench.results()[0]?.error?.remedy ?? '') !== '');
    }
    const encoded = stage();
    await encoded.say('carp/a%2Fb/node/rpi1/cmd/hand-over');
    assert.deepEqual(encoded.done, ['hand over a/b']);
  });

  test('answers, and topics that only look like commands, are no commands', async () => {
    const bench = stage();
    for (const topic of [
      `${plant}/cmd/result`,
      `${plant}/mode`,
      `${plant}/role/set`,
      `${plant}/cmd/hand-over/now`,
      'carp/plant/node/rpi2/cmd/hand-over',
      'other/plant/node/rpi1/cmd/hand-over',
    ])
      await bench.say(topic, 'PRESS');
    assert.deepEqual([bench.done, bench.told, bench.logged], [[], [], []]);
  });

  test('the empty message that takes a retained command away is no command; the next one is', async () => {
    const bench = stage();
    await bench.say(`${plant}/cmd/hand-over`, 'PRESS', { retain: true });
    assert.equal(
      bench.results()[0]?.error?.remedy,
      `send it without the retain flag, and take this one away: mosquitto_pub -r -n -t '${plant}/cmd/hand-over'`,
    );
    await bench.say(`${plant}/cmd/hand-over`);
    // With MQTT 5 the flag comes along.
    await bench.say(`${plant}/cmd/hand-over`, '', { retain: true });
    assert.deepEqual([bench.done, bench.told.length], [[], 1]);
    await bench.say(`${plant}/cmd/hand-over`);
    assert.deepEqual(bench.done, ['hand over plant']);
  });

  test('the response topic gets the answer, with the correlation data, also of a refusal', async () => {
    const bench = stage();
    const correlationData = Buffer.from([0, 1, 255]);
    for (const payload of ['', 'nonsense'])
      await bench.say(`${plant}/cmd/hand-over`, payload, {
        properties: { responseTopic: 'clients/7/answers', correlationData },
      });
    for (const [i, qos] of [1, 0].entries()) {
      const { topic, properties, qos: told } = bench.told[i] ?? assert.fail();
      assert.deepEqual([topic, told], ['clients/7/answers', qos]);
      assert.deepEqual(properties, { contentType: 'application/json', correlationData });
    }
    assert.deepEqual(
      bench.told.map(({ once }) => once),
      [true, true],
      'a broker that cannot bear this topic ends one connection',
    );
    // Answers on the results of another host cannot be taken for anything else.
    await bench.say(`${plant}/cmd/query`, '', { properties: { responseTopic: 'carp/lab/node/rpi2/cmd/result' } });
    assert.equal(bench.told[2]?.topic, 'carp/lab/node/rpi2/cmd/result');
  });

  test('no answer goes where it could be a command, or stand for a state; nothing is done then', async () => {
    for (const responseTopic of [
      `${plant}/cmd/hand-over`,
      `${plant}/mode/set`,
      'carp/plant/node/rpi2/advskew/set',
      'carp/plant/master',
      'carp/node/rpi2/status',
      'carp',
      'homeassistant/device/carp/config',
      'spBv1.0/plant/NCMD/rpi1',
      'clients/+/answers',
      'clients/#',
      '$SYS/broker',
      'a\0b',
      'a\u0007b',
      'a\ufffeb',
      'a\ud800b',
      // Mosquitto would end the connection, over and over again.
      'a/'.repeat(32),
      '',
      'x'.repeat(1025),
    ]) {
      const bench = stage();
      await bench.say(`${plant}/cmd/hand-over`, '{"id": "mine"}', { properties: { responseTopic } });
      assert.deepEqual([bench.done, outcome(bench)], [[], 'CARP_RESPONSE_TOPIC'], responseTopic);
      assert.deepEqual([bench.told[0]?.topic, bench.results()[0]?.id], [`${plant}/cmd/result`, 'mine']);
    }
    const bench = stage();
    const correlationData = Buffer.alloc(1025);
    await bench.say(`${plant}/cmd/hand-over`, '', { properties: { responseTopic: 'clients/7', correlationData } });
    assert.deepEqual([bench.done, outcome(bench)], [[], 'CARP_RESPONSE_TOPIC']);
  });

  test('a group does one command at a time, eight wait, more are refused; another group is free', async () => {
    const { open, opened } = gate();
    const bench = stage({
      handOver: async (group) => {
        if (group === 'plant') await opened;
        return { address: '192.0.2.12', afterMs: 7 };
      },
    });
    for (let i = 0; i < WAITING_MAX + 3; i++) await bench.say(`${plant}/cmd/hand-over`, JSON.stringify({ id: i }));
    assert.deepEqual(bench.done, ['hand over plant']);
    assert.deepEqual(
      bench.results().map(({ id, error }) => [id, error?.code]),
      [
        [9, 'CARP_BUSY'],
        [10, 'CARP_BUSY'],
      ],
    );
    await bench.say('carp/lab/node/rpi1/cmd/hand-over', '{"id": "lab"}');
    assert.equal(bench.results().at(-1)?.id, 'lab');
    open();
    await bench.say(`${plant}/cmd/result`);
    assert.deepEqual(
      bench.results().map(({ id }) => id),
      [9, 10, 'lab', 0, 1, 2, 3, 4, 5, 6, 7, 8],
    );
    await bench.say(`${plant}/cmd/hand-over`);
    assert.equal(bench.done.length, WAITING_MAX + 3);
  });

  test('what waits when the host stops is answered as not done', async () => {
    const { open, opened } = gate();
    const bench = stage({
      handOver: async () => {
        await opened;
        return { address: '192.0.2.12', afterMs: 7 };
      },
    });
    for (const id of [1, 2]) await bench.say(`${plant}/cmd/hand-over`, JSON.stringify({ id }));
    bench.part.end?.();
    assert.deepEqual(
      bench.results().map(({ id, ok }) => [id, ok]),
      [[2, false]],
    );
    open();
    await bench.say(`${plant}/cmd/result`);
    await bench.say(`${plant}/cmd/hand-over`, '{"id": 3}');
    assert.deepEqual(bench.done, ['hand over plant']);
    assert.equal(outcome(bench), 'CARP_BUSY');
  });

  test('more than 256 commands at once, or 25 a second, are not obeyed', async () => {
    const bench = stage();
    for (let i = 0; i < OBEYED.burst + 1; i++) await bench.say(`${plant}/advskew/set`, String(i % 2));
    assert.deepEqual([bench.done.length, outcome(bench)], [OBEYED.burst, 'CARP_BUSY']);
    bench.clock.now += 1000;
    for (let i = 0; i < OBEYED.perSecond + 1; i++) await bench.say(`${plant}/advskew/set`, String(i % 2));
    assert.deepEqual([bench.done.length, outcome(bench)], [OBEYED.burst + OBEYED.perSecond, 'CARP_BUSY']);
  });

  test('a resync tells what is kept of this group anew, and of no other', async () => {
    const outbox = new Outbox({ expiry: 30, now: () => 0, news: () => undefined, connected: () => true });
    const said = (): readonly string[] => {
      const topics: string[] = [];
      for (let next = outbox.next(); next !== undefined; next = outbox.next()) topics.push(next.topic);
      return topics;
    };
    const mine = [
      memberTopic(scope, 'plant', 'role'),
      memberTopic(scope, 'plant', 'state'),
      groupTopic(scope, 'plant', 'master'),
    ];
    for (const topic of [...mine, memberTopic(scope, 'plants', 'role'), groupTopic(scope, 'plant', 'alarm')])
      outbox.keep(topic, 'x');
    assert.equal(said().length, 5);
    const bench = stage({ voice: { repeat: outbox.repeat } });
    await bench.say(`${plant}/cmd/resync`);
    assert.deepEqual(said(), mine);
    assert.deepEqual(outcome(bench), { topics: 3 });
  });
});

describe('garbage', () => {
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.string({ unit: 'binary', maxLength: 80 }).map((text) => Buffer.from(text)),
    fc.json().map((text) => Buffer.from(text)),
    fc.integer({ min: 1, max: 2000 }).map((depth) => Buffer.from('{"id":'.repeat(depth))),
    fc.integer({ min: 1, max: 600 }).map((depth) => Buffer.from(`${'{"id":'.repeat(depth)}1${'}'.repeat(depth)}`)),
    fc.integer({ min: 1, max: 4 }).map((more) => Buffer.alloc(PAYLOAD_BYTES_MAX + more, ' ')),
  );

  test('no payload makes the reading of it fail, and an order is only what the words allow', () => {
    fc.assert(
      fc.property(fc.constantFrom(...MQTT_COMMANDS), payload, (command, bytes) => {
        const reading = readOrder(command, bytes);
        if (reading.ok) assert.equal(reading.order.command, command);
        else assert.ok(reading.why.length < 400);
      }),
      { numRuns: 2000 },
    );
  });

  test('every spelling of what is allowed is read as what it is', () => {
    const id = fc.option(fc.oneof(fc.integer(), fc.string({ maxLength: 64 })), { nil: undefined });
    fc.assert(
      fc.property(fc.nat({ max: 254 }), id, (advskew, name) => {
        const plain = readOrder('advskew', Buffer.from(String(advskew)));
        const order = { command: 'advskew', advskew };
        assert.deepEqual(plain, { ok: true, order });
        const more = name === undefined ? {} : { id: name };
        assert.deepEqual(readOrder('advskew', Buffer.from(JSON.stringify({ advskew, ...more }))), {
          ok: true,
          order,
          ...more,
        });
      }),
    );
  });

  test('each garbage command gets one answer that need not arrive, and nothing is done', async () => {
    const bench = stage();
    const topic = fc.constantFrom('mode/set', 'advskew/set', 'cmd/hand-over', 'cmd/query', 'cmd/x', 'cmd/');
    // What happens to be a command would be obeyed: none of them has a meaning for all of these topics.
    const garbage = payload.filter((bytes) => MQTT_COMMANDS.every((command) => !readOrder(command, bytes).ok));
    let sent = 0;
    fc.assert(
      fc.property(topic, garbage, fc.boolean(), (leaf, bytes, retain) => {
        if (bytes.length === 0) return;
        sent += 1;
        bench.part.heard?.({ topic: `${plant}/${leaf}`, payload: bytes, retain });
        assert.equal(bench.told.length, sent);
        const { qos, payload: answer = '' } = bench.told.at(-1) ?? {};
        assert.equal(qos, 0);
        assert.ok(answer.length < 700, answer);
        assert.equal((JSON.parse(answer) as CommandResult).ok, false);
      }),
      { numRuns: 2000 },
    );
    await bench.say(`${plant}/cmd/result`);
    assert.deepEqual(bench.done, []);
    assert.ok(sent > 1500);
  });

  test('10,000 refusals are five lines in the log', async () => {
    const bench = stage();
    for (let i = 0; i < 10_000; i++)
      bench.part.heard?.({ topic: `${plant}/mode/set`, payload: Buffer.from(`no ${i}`), retain: false });
    assert.equal(bench.told.length, 10_000);
    assert.equal(bench.logged.length, 5);
    assert.match(bench.logged[4] ?? '', /refused a command \(10000 since the start\)/);
  });

  test('a topic longer than any of ours is not answered', async () => {
    const bench = stage();
    await bench.say(`carp/${'x'.repeat(1100)}/node/rpi1/cmd/query`);
    assert.deepEqual([bench.told, bench.done], [[], []]);
  });
});
