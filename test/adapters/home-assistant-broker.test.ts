/** What a Home Assistant would find on a real broker, of a real agent with simulated groups. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import mqtt from 'mqtt';
import { LocalCarp, memoryGroup, mqttOf } from '../support/broker-hosts.ts';
import { LocalBroker, missingForBroker } from '../support/broker-local.ts';
import { retainedOn } from '../support/broker-retained.ts';
import { DISCOVERY_TOPIC, type Discovered, discoveryMistakes, rendered } from '../support/home-assistant-schema.ts';
import { until } from '../support/wait.ts';

const skip = missingForBroker();
const PLANT = 'homeassistant/device/carp_rpi1_plant/config';
const LAB = 'homeassistant/device/carp_rpi1_lab/config';
const LEDGER = 'carp/node/rpi1/discovery';
const WAIT_MS = 30_000;

const plan = (
  broker: LocalBroker,
  more: object = {},
  groups: readonly object[] = [memoryGroup('plant'), memoryGroup('lab', { vhid: 11, addresses: ['192.0.2.101/24'] })],
) => ({ node: 'rpi1', groups, more: { mqtt: mqttOf(broker, { homeAssistant: true, ...more }) } });

const discovered = async (broker: LocalBroker): Promise<readonly string[]> =>
  [...(await retainedOn(broker, 'homeassistant/#')).keys()].sort();

const untilDiscovered = (broker: LocalBroker, agent: LocalCarp, ...topics: readonly string[]): Promise<true> =>
  until(
    `exactly ${topics.join(', ') || 'nothing'} to be discovered`,
    WAIT_MS,
    async () => (await discovered(broker)).join() === [...topics].sort().join() || undefined,
    () => agent.child.report(),
  );

test('Home Assistant finds each group with values in all of its entities, and can order what is allowed', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const broker = await LocalBroker.start(t);
  const agent = LocalCarp.start(t, plan(broker, { commands: ['mode', 'hand-over'] }));
  await agent.untilRole('MASTER');
  await untilDiscovered(broker, agent, PLANT, LAB);
  const payload = (await retainedOn(broker, PLANT)).get(PLANT) ?? '';
  assert.match(PLANT, DISCOVERY_TOPIC);
  const device = JSON.parse(payload) as Discovered;
  assert.deepEqual(discoveryMistakes(device), []);

  const values = async (): Promise<Readonly<Record<string, string | undefined>>> => {
    const kept = await retainedOn(broker, 'carp/#');
    return Object.fromEntries(
      Object.entries(device.cmps).flatMap(([key, { stat_t = '', val_tpl, json_attr_t, json_attr_tpl, p }]) => {
        // Nothing is kept of an event, and a button has no state; an alarm is there once somebody has looked.
        if (p === 'event' || p === 'button' || key === 'alarm') return [];
        const state = kept.get(stat_t);
        const attributes = json_attr_t === undefined ? undefined : kept.get(json_attr_t);
        if (attributes !== undefined) assert.doesNotThrow(() => JSON.parse(rendered(json_attr_tpl, attributes)));
        return [[key, state === undefined ? undefined : rendered(val_tpl, state)]];
      }),
    );
  };
  let seen: Readonly<Record<string, string | undefined>> = {};
  await until(
    'all entities to have a value',
    WAIT_MS,
    async () => {
      seen = await values();
      return Object.values(seen).every((value) => value !== undefined) && seen['role'] === 'MASTER';
    },
    () => JSON.stringify(seen),
  );
  assert.deepEqual(seen, {
    master: 'ON',
    role: 'MASTER',
    holder: 'rpi1',
    mode: 'normal',
    skew_state: '0',
    demotion: '0',
    interval: '1000',
  });
  const [availability] = device.avty;
  assert.equal((await retainedOn(broker, availability?.t ?? '')).get(availability?.t ?? ''), 'online');

  const person = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
  t.after(() => void person.end(true));
  await person.publishAsync(device.cmps['mode']?.cmd_t ?? '', 'maintenance', { qos: 1 });
  await until('maintenance to be shown', WAIT_MS, async () => (await values())['mode'] === 'maintenance');
});

test('a Home Assistant that starts is answered; what is removed or switched off is taken back', {
  skip,
  timeout: 180_000,
}, async (t) => {
  const broker = await LocalBroker.start(t);
  const agent = LocalCarp.start(t, plan(broker));
  await untilDiscovered(broker, agent, PLANT, LAB);

  const home = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
  t.after(() => void home.end(true));
  const live: string[] = [];
  home.on('message', (topic, _payload, { retain }) => {
    if (!retain) live.push(topic);
  });
  await home.subscribeAsync('homeassistant/device/+/config', { qos: 1 });
  await home.publishAsync('homeassistant/status', 'online', { qos: 1 });
  await until('both devices to be told again', WAIT_MS, () => live.includes(PLANT) && live.includes(LAB));

  agent.reload(plan(broker, {}, [memoryGroup('plant')]));
  await untilDiscovered(broker, agent, PLANT);

  // A host that was switched off hard, and comes back without discovery.
  agent.child.signal('SIGKILL');
  await agent.child.untilExit(WAIT_MS);
  assert.deepEqual(await discovered(broker), [PLANT]);
  const next = LocalCarp.start(t, plan(broker, { homeAssistant: false }), agent.folder);
  await untilDiscovered(broker, next);
  await until(
    'the ledger to go',
    WAIT_MS,
    async () => !(await retainedOn(broker, LEDGER)).has(LEDGER),
    () => next.child.report(),
  );
  assert.equal(await next.terminate(), 0);
});
