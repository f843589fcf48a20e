/** More brokers than one: a bridge between two Mosquittos, a cluster of RabbitMQ, a list to fail over; and MQTT 3.1.1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryGroup, mqttOf, SimulatedHosts } from '../support/broker-hosts.ts';
import { LocalBroker, missingForBroker } from '../support/broker-local.ts';
import { retainedProblems } from '../support/broker-model.ts';
import { retainedOn } from '../support/broker-retained.ts';
import { startBridge } from '../support/mosquitto-bridge.ts';
import { monotonicMs, until } from '../support/wait.ts';
import { listenTo, startAedes } from './mqtt-brokers.ts';

const skip = missingForBroker();
const RIGHT_MS = 60_000;
/** Nothing is repeated while an order is looked at. */
const QUIET = { refresh: 3600, expiry: 0 };

const twoHosts = (a: object, b: object) => [
  { node: 'a', groups: [memoryGroup('plant')], more: { mqtt: a } },
  { node: 'b', groups: [memoryGroup('plant', { advskew: 100 })], more: { mqtt: b } },
];

/** Waits until all these brokers keep what the two hosts stand for, and nothing else. */
const untilRight = async (hosts: SimulatedHosts, brokers: readonly LocalBroker[]): Promise<void> => {
  let wrong: readonly string[] = [];
  await until(
    'what the brokers keep to be right',
    RIGHT_MS,
    async () => {
      const views = await hosts.views();
      const each = await Promise.all(brokers.map((broker) => retainedOn(broker, 'carp/#')));
      wrong = each.flatMap((kept, i) =>
        retainedProblems(kept, views, { soon: true }).map((line) => `${brokers[i]?.url} ${line}`),
      );
      return wrong.length === 0;
    },
    () => `${wrong.join('\n')}\n${hosts.logs.join('\n')}`,
  );
};

test('two brokers with a bridge keep the same of hosts on both sides, also after one of them lost its memory', {
  skip,
  timeout: 240_000,
}, async (t) => {
  const { centre, plant, untilBridged } = await startBridge(t);
  const both = [centre, plant];
  const hosts = await SimulatedHosts.start(t, twoHosts(mqttOf(centre, QUIET), mqttOf(plant, QUIET)));
  await hosts.untilRole('a', 'MASTER');
  await hosts.untilRole('b', 'BACKUP');
  await untilRight(hosts, both);

  // A takeover on the other side of the bridge, heard here.
  const ear = await centre.subscribe('carp/#');
  const from = monotonicMs();
  await hosts.supervisor.handOver({ node: 'a', group: 'plant' });
  const heard = await ear.untilMessage(
    'carp/plant/node/b/event',
    (payload) => JSON.parse(payload).role === 'MASTER',
    20_000,
    from,
  );
  const order = ear
    .messages()
    .filter(({ at, topic, retain }) => !retain && at >= from && at <= heard.at && /node\/b\/|master/.test(topic));
  assert.deepEqual(
    order.map(({ topic }) => topic).filter((topic) => !topic.includes('/peers/') && !topic.endsWith('/stats')),
    [
      ...['role', 'state'].map((leaf) => `carp/plant/node/b/${leaf}`),
      'carp/plant/master',
      'carp/plant/node/b/vip/192.0.2.100',
      'carp/plant/node/b/event',
    ],
  );
  await untilRight(hosts, both);

  await plant.kill();
  await until('b to notice', 30_000, () => hosts.logs.some((line) => line.includes('lost the connection')));
  await ear.untilMessage('carp/plant/node/a/role', 'BACKUP', 20_000, from);
  await plant.start();
  await untilBridged();
  await untilRight(hosts, both);
});

test('hosts whose broker dies go to the next of their list, and tell it everything', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const [first, second] = [await LocalBroker.start(t), await LocalBroker.start(t)];
  const mqtt = { url: [first.url, second.url] };
  const hosts = await SimulatedHosts.start(t, twoHosts(mqtt, mqtt));
  await hosts.untilRole('a', 'MASTER');
  await untilRight(hosts, [first]);
  await first.kill();
  const died = monotonicMs();
  await untilRight(hosts, [second]);
  t.diagnostic(`${(monotonicMs() - died).toFixed(0)} ms after the first broker died, the second one had everything`);
  assert.deepEqual(hosts.changesSince(died), []);
});

test('a broker of MQTT 3.1.1 alone (aedes) keeps everything, and hears a takeover in the same order', {
  timeout: 120_000,
}, async (t) => {
  const broker = await startAedes();
  t.after(broker.stop);
  const ears = await listenTo(broker.url);
  t.after(ears.close);
  const hosts = await SimulatedHosts.start(t, twoHosts({ url: broker.url, ...QUIET }, { url: broker.url, ...QUIET }));
  await hosts.untilRole('a', 'MASTER');
  await hosts.untilRole('b', 'BACKUP');
  const keptNow = async (): Promise<ReadonlyMap<string, string>> => {
    const late = await listenTo(broker.url);
    const marker = 'carp/plant/node/b/stats';
    // Retained messages have no end that aedes marks; they come in one go.
    await until('retained messages', 20_000, () => late.last(marker) !== undefined).catch(() => undefined);
    await late.close();
    return new Map(late.heard.filter(({ retain }) => retain).map(({ topic, payload }) => [topic, payload]));
  };
  let wrong: readonly string[] = [];
  await until(
    'what aedes keeps to be right',
    RIGHT_MS,
    async () => {
      wrong = retainedProblems(await keptNow(), await hosts.views(), { soon: true });
      return wrong.length === 0;
    },
    () => `${wrong.join('\n')}\n${hosts.logs.join('\n')}`,
  );
  const before = ears.heard.length;
  await hosts.supervisor.handOver({ node: 'a', group: 'plant' });
  const isEvent = (topic: string, payload: string): boolean =>
    topic === 'carp/plant/node/b/event' && JSON.parse(payload).role === 'MASTER';
  await until('the event', 20_000, () => ears.heard.slice(before).some((one) => isEvent(one.topic, one.payload)));
  assert.deepEqual(
    ears.heard
      .slice(before)
      .map(({ topic }) => topic)
      .filter((topic) => /^carp\/plant\/(master|node\/b\/(role|state|vip|event))/.test(topic)),
    [
      'carp/plant/node/b/role',
      'carp/plant/node/b/state',
      'carp/plant/master',
      'carp/plant/node/b/vip/192.0.2.100',
      'carp/plant/node/b/event',
    ],
  );
});
