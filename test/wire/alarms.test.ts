/** Alarms of two agents over a real broker, while the wire between them drops adverts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Broker } from '../support/broker.ts';
import { Carp, type GroupText } from '../support/carp.ts';
import { Lan, run } from '../support/netns.ts';
import { missingForAgent } from '../support/requirements.ts';
import { startUcarp } from '../support/ucarp.ts';
import { monotonicMs, until } from '../support/wait.ts';

const plant = (advskew: number): GroupText => ({
  name: 'plant',
  interface: 'eth0',
  vhid: 10,
  pass: 'secret',
  addresses: ['192.0.2.100/24'],
  advskew,
});

interface Report {
  readonly active: boolean;
  readonly by: string;
  readonly alarms: readonly { readonly code: string; readonly text: string; readonly nodes: readonly string[] }[];
}
const reportOf = (payload: string): Report => JSON.parse(payload);
const codesOf = (payload: string): readonly string[] => reportOf(payload).alarms.map(({ code }) => code);

const ALARM = 'carp/plant/alarm';
/** Of the group: within them an alarm is raised or cleared. */
const TWO_INTERVALS_MS = 2000;
/** What a busy machine adds to them. The rule itself is proved in virtual time (test/adapters/mqtt-alarms.test.ts). */
const SLACK_MS = 3000;
const BUSY_MS = 15_000;

/** The lan with a broker, h1 as MASTER and h2 as BACKUP; nothing is wrong. */
const pair = async (t: Parameters<typeof Lan.create>[0], version = 'auto') => {
  const lan = await Lan.create(t, 2);
  const broker = await Broker.start(lan, 'carp/#');
  const config = { mqtt: { url: broker.url, version } };
  const first = Carp.start(lan, lan.host(1), [plant(0)], { config });
  await first.untilRole('MASTER', BUSY_MS);
  const second = Carp.start(lan, lan.host(2), [plant(100)], { config });
  await second.untilRole('BACKUP', BUSY_MS);
  await broker.untilMessage('carp/plant/node/h2/peers/192.0.2.11', (text) => text.includes('advertising'), BUSY_MS);
  await broker.untilMessage(ALARM, (text) => reportOf(text).by === 'h1', BUSY_MS);
  return { lan, broker, config, first, second };
};

test('adverts that get lost on the way to one host raise an alarm within two intervals, and it is cleared', {
  skip: missingForAgent('mosquitto', 'mosquitto_sub', 'bridge'),
  timeout: 120_000,
}, async (t) => {
  const { lan, broker, second } = await pair(t);
  // The switch passes no multicast on to h2: it does not hear h1, which still hears it.
  const multicastTo2 = (state: 'on' | 'off'): Promise<string> =>
    run('ip', 'netns', 'exec', lan.switchNamespace, 'bridge', 'link', 'set', 'dev', 'p2', 'mcast_flood', state);
  const cutAt = monotonicMs();
  await multicastTo2('off');
  const took = await second.untilRole('MASTER', BUSY_MS);
  const raised = await broker.untilMessage(ALARM, (text) => codesOf(text).length === 2, BUSY_MS, cutAt);
  const report = reportOf(raised.payload);
  assert.equal(report.active, true);
  assert.deepEqual([...codesOf(raised.payload)].sort(), ['one-way', 'two-masters']);
  const oneWay = report.alarms.find(({ code }) => code === 'one-way');
  assert.match(oneWay?.text ?? '', /^h1 hears h2, but h2 does not hear h1: .*multicast/);
  assert.deepEqual(oneWay?.nodes, ['h1', 'h2']);
  const after = raised.at - took.received;
  t.diagnostic(`raised ${after.toFixed(0)} ms after there were two MASTERs`);
  assert.ok(after < TWO_INTERVALS_MS + SLACK_MS, `raised only after ${after} ms`);

  const healedAt = monotonicMs();
  await multicastTo2('on');
  const back = await second.untilRole('BACKUP', BUSY_MS);
  const cleared = await broker.untilMessage(ALARM, (text) => !reportOf(text).active, BUSY_MS, healedAt);
  t.diagnostic(`cleared ${(cleared.at - back.received).toFixed(0)} ms after there was one MASTER again`);
  assert.ok(
    cleared.at - back.received < TWO_INTERVALS_MS + SLACK_MS,
    `cleared only after ${cleared.at - back.received} ms`,
  );
  assert.deepEqual(
    broker.messages().filter(({ topic, payload }) => topic === ALARM && payload.includes('secret')),
    [],
  );
});

test('a killed MASTER and one that loses its power raise none, and the next host writes on: with MQTT 3.1.1', {
  skip: missingForAgent('mosquitto', 'mosquitto_sub'),
  timeout: 120_000,
}, async (t) => {
  const { lan, broker, config, first, second } = await pair(t, '3.1.1');
  first.child.signal('SIGKILL');
  const killedAt = monotonicMs();
  await second.untilRole('MASTER', BUSY_MS);
  await broker.untilMessage(ALARM, (text) => reportOf(text).by === 'h2', BUSY_MS, killedAt);
  const again = Carp.start(lan, lan.host(1), [plant(0)], { config });
  await again.untilRole('BACKUP', BUSY_MS);
  await broker.untilMessage(ALARM, (text) => reportOf(text).by === 'h1', BUSY_MS, monotonicMs());
  const cutAt = monotonicMs();
  await lan.powerOff(lan.host(2));
  await again.untilRole('MASTER', BUSY_MS);
  // From the takeover until the broker knows: two hosts say MASTER, and one of them is dead.
  await broker.untilMessage('carp/node/h2/status', (text) => text === 'offline', 20_000, cutAt);
  await broker.untilMessage(ALARM, () => true, BUSY_MS, monotonicMs());
  const active = broker.messages().filter(({ topic, payload }) => topic === ALARM && reportOf(payload).active);
  assert.deepEqual(active, []);
});

test('a ucarp that does not hear our MASTER, and is no host of the bus, is an alarm; its start is none', {
  skip: missingForAgent('mosquitto', 'mosquitto_sub', 'bridge', 'ucarp'),
  timeout: 180_000,
}, async (t) => {
  const lan = await Lan.create(t, 2);
  const broker = await Broker.start(lan, 'carp/#');
  const options = { vhid: 10, pass: 'secret', address: '192.0.2.100', advskew: 100 };
  const ours = Carp.start(lan, lan.host(1), [plant(0)], { config: { mqtt: { url: broker.url } } });
  await ours.untilRole('MASTER', BUSY_MS);
  await broker.untilMessage(ALARM, (text) => !reportOf(text).active, BUSY_MS);
  const theirs = startUcarp(lan, lan.host(2), options);
  const multicastTo2 = (state: 'on' | 'off'): Promise<string> =>
    run('ip', 'netns', 'exec', lan.switchNamespace, 'bridge', 'link', 'set', 'dev', 'p2', 'mcast_flood', state);
  await until(
    'ucarp to listen',
    BUSY_MS,
    () => theirs.stderr.some(({ text }) => text.includes('BACKUP')),
    () => theirs.report(),
  );
  const cutAt = monotonicMs();
  await multicastTo2('off');
  const rival = await broker.untilMessage(
    'carp/plant/node/h1/peers/192.0.2.12',
    (text) => JSON.parse(text).state === 'advertising',
    30_000,
    cutAt,
  );
  const raised = await broker.untilMessage(ALARM, (text) => reportOf(text).active, BUSY_MS, cutAt);
  assert.deepEqual(codesOf(raised.payload), ['two-masters']);
  assert.match(reportOf(raised.payload).alarms[0]?.text ?? '', /^h1 is MASTER and 192\.0\.2\.12 goes on advertising/);
  t.diagnostic(`raised ${(raised.at - rival.at).toFixed(0)} ms after ucarp was first told of`);
  const healedAt = monotonicMs();
  await multicastTo2('on');
  const cleared = await broker.untilMessage(ALARM, (text) => !reportOf(text).active, 30_000, healedAt);
  t.diagnostic(`cleared ${(cleared.at - healedAt).toFixed(0)} ms after it could hear again`);
  assert.equal(ours.role(), 'MASTER');
  const reports = broker.messages().filter(({ topic, at }) => topic === ALARM && (at < cutAt || at > cleared.at));
  assert.ok(reports.every(({ payload }) => !reportOf(payload).active));
});
