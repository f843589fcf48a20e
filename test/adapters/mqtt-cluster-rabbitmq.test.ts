/**
 * RabbitMQ's MQTT plug-in as a cluster of two nodes. What Debian's 3.10 can: MQTT 3.1.1, messages and wills across the
 * cluster. What it cannot: retained messages are kept by each node for itself, and only given to who asks for the very
 * topic, not to wildcards; and dots of a topic arrive as slashes, because they separate the levels of AMQP.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import mqtt from 'mqtt';
import { memoryGroup, SimulatedHosts } from '../support/broker-hosts.ts';
import { type HostView, retainedProblems } from '../support/broker-model.ts';
import { missingRabbitMq, startRabbitMq } from '../support/rabbitmq.ts';
import { monotonicMs, until } from '../support/wait.ts';
import { type Listener, listenTo } from './mqtt-brokers.ts';

const skip = missingRabbitMq();
const BASE = 'carp';

/** Every topic that has a value while these hosts run; RabbitMQ keeps none for a filter with wildcards. */
const topicsOf = (hosts: readonly HostView[]): readonly string[] =>
  hosts.flatMap(({ node, groups }) => [
    ...['status', 'info'].map((leaf) => `${BASE}/node/${node}/${leaf}`),
    ...groups.flatMap(({ group, addresses }) => [
      `${BASE}/${group}/master`,
      ...['role', 'state', 'mode', 'advskew', 'stats'].map((leaf) => `${BASE}/${group}/node/${node}/${leaf}`),
      ...addresses.map((address) => `${BASE}/${group}/node/${node}/vip/${address.replace(/\/\d+$/, '')}`),
    ]),
  ]);

/** What is told of b when it becomes MASTER. */
const NEWS = [
  'carp/plant/node/b/role',
  'carp/plant/master',
  'carp/plant/node/b/vip/192/0/2/100',
  'carp/plant/node/b/event',
] as const;

/** The shared address of these tests, as RabbitMQ writes it. */
const withDots = (topic: string): string => topic.replace('192/0/2/100', '192.0.2.100');

const eventually = (what: string, holds: () => boolean | Promise<boolean>, known: () => string): Promise<true> =>
  until(what, 60_000, async () => ((await holds()) ? true : undefined), known);

/** What a node of the cluster gives to somebody who comes now and asks for all topics by name. */
const keptBy = async (url: string, topics: readonly string[]): Promise<ReadonlyMap<string, string>> => {
  const client = await mqtt.connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0 });
  try {
    const kept = new Map<string, string>();
    client.on('message', (topic, payload, { retain }) => {
      if (retain) kept.set(withDots(topic), payload.toString('utf8'));
    });
    await client.subscribeAsync([...new Set(topics)], { qos: 1 });
    await until('retained messages', 2000, () => kept.size >= new Set(topics).size).catch(() => undefined);
    return kept;
  } finally {
    await client.endAsync(true);
  }
};

test('hosts at two nodes of a RabbitMQ cluster: heard at both, failed over, and told anew', {
  skip,
  timeout: 300_000,
}, async (t) => {
  const began = monotonicMs();
  const nodes = await startRabbitMq(t, 2);
  const [one, two] = nodes;
  assert.ok(one !== undefined && two !== undefined);
  const cpu = (): string => nodes.map(({ cpuSeconds }) => `${cpuSeconds().toFixed(1)} s`).join(' + ');
  t.diagnostic(`two nodes were up after ${((monotonicMs() - began) / 1000).toFixed(1)} s, with ${cpu()} of CPU time`);
  const hasty = { node: 'c', groups: [memoryGroup('lab', { vhid: 20 })], more: { mqtt: { url: one.url } } };
  const asked = await SimulatedHosts.start(t, [hasty]);
  const told = await until('the complaint', 60_000, () => asked.logs.find((line) => line.startsWith('warn mqtt')));
  assert.match(told, /mqtt\.version: '?3\.1\.1/, 'who wrote no version down is told which one to write');
  await asked.supervisor.stop();

  const ears = await Promise.all([one, two].map(({ url }) => listenTo(url)));
  for (const ear of ears) t.after(ear.close);
  const [earAtOne, earAtTwo] = ears as [Listener, Listener];
  const group = (advskew: number): object => memoryGroup('plant', { advskew });
  // RabbitMQ 3.10 hangs up on MQTT 5 without a word, so the version has to be written down.
  const mqttAt = (...urls: readonly string[]): object => ({
    mqtt: { url: urls, version: '3.1.1', refresh: 3600, expiry: 0 },
  });
  // Each has another node as the first of its list.
  const hosts = await SimulatedHosts.start(t, [
    { node: 'a', groups: [group(0)], more: mqttAt(one.url, two.url) },
    { node: 'b', groups: [group(100)], more: mqttAt(two.url, one.url) },
  ]);
  await hosts.untilRole('a', 'MASTER');
  await hosts.untilRole('b', 'BACKUP');
  let mistakes: readonly string[] = [];
  const known = (): string => `${mistakes.join('\n')}\n${hosts.logs.join('\n')}\n${one.log().slice(-1500)}`;
  for (const [where, ear] of Object.entries({ 'node one': earAtOne, 'node two': earAtTwo }))
    await eventually(
      `both hosts to be heard at ${where}`,
      () => ear.last('carp/plant/node/a/role') === 'MASTER' && ear.last('carp/plant/node/b/role') === 'BACKUP',
      known,
    );

  // A takeover is heard at the other node of the cluster.
  const before = earAtOne.heard.length;
  await hosts.supervisor.handOver({ node: 'a', group: 'plant' });
  const leaves = (): readonly string[] =>
    earAtOne.heard
      .slice(before)
      .map(({ topic }) => topic)
      .filter((topic) => /^carp\/plant\/(master|node\/b\/(role|vip|event))/.test(topic));
  await eventually('the event at node one', () => NEWS.every((topic) => leaves().includes(topic)), known);
  // Nothing is lost on the way to the other node. Its order is: master and vip were seen to change places there.
  assert.deepEqual(new Set(leaves()), new Set(NEWS));

  // What a node keeps, it keeps for itself; each host has told its own node everything.
  const at = async (url: string, node: string): Promise<readonly string[]> => {
    const views = (await hosts.views()).filter((view) => view.node === node);
    const wrong = retainedProblems(await keptBy(url, topicsOf(views)), views, { soon: true });
    // A former MASTER's claim stays at its node when the next MASTER tells another node. Who reads it compares `at`.
    const isMaster = views.some(({ groups }) => groups.some(({ role }) => role === 'MASTER'));
    mistakes = wrong.filter((line) => isMaster || !line.startsWith('carp/plant/master'));
    return mistakes;
  };
  await eventually('node one to keep what a has told', async () => (await at(one.url, 'a')).length === 0, known);
  await eventually('node two to keep what b has told', async () => (await at(two.url, 'b')).length === 0, known);

  // A node dies with its machine: its host goes to the other one and tells it everything.
  const died = monotonicMs();
  await one.kill();
  await eventually('node two to keep what a tells now', async () => (await at(two.url, 'a')).length === 0, known);
  t.diagnostic(
    `${((monotonicMs() - died) / 1000).toFixed(1)} s after node one died, node two had everything of its host`,
  );
  assert.deepEqual(hosts.changesSince(died), [], 'no role has changed');
  await eventually(
    'both to be online at node two',
    async () => {
      const kept = await keptBy(two.url, ['carp/node/a/status', 'carp/node/b/status']);
      return kept.get('carp/node/a/status') === 'online' && kept.get('carp/node/b/status') === 'online';
    },
    known,
  );
  t.diagnostic(`in all, ${cpu()} of CPU time`);
});
