/** Two hosts of one name at one broker: both say so, and they do not fight. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LocalCarp, memoryGroup, mqttOf } from '../support/broker-hosts.ts';
import { LocalBroker, missingForBroker } from '../support/broker-local.ts';
import { retainedProblems } from '../support/broker-model.ts';
import { retainedOn } from '../support/broker-retained.ts';
import { monotonicMs, until } from '../support/wait.ts';

const skip = missingForBroker();
const REFRESH = 1;
const STATUS = 'carp/node/rpi1/status';
const INFO = 'carp/node/rpi1/info';

const plan = (broker: LocalBroker, mqtt: object, group = memoryGroup('plant')) => ({
  node: 'rpi1',
  groups: [group],
  more: { mqtt: mqttOf(broker, { refresh: REFRESH, ...mqtt }) },
});

const WATCHED_MS = 10_000;
const DUPLICATE = /calls itself rpi1/;

test('two machines with one node name both say duplicate-node, and only the first one is heard', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const broker = await LocalBroker.start(t);
  const first = LocalCarp.start(t, plan(broker, { clientId: 'carp-rpi1-11111111' }));
  await first.untilRole('MASTER');
  await until('the first one to be told of', 20_000, async () => {
    return (await retainedOn(broker, 'carp/#')).get('carp/plant/node/rpi1/role') === 'MASTER';
  });
  const instance = JSON.parse((await retainedOn(broker, INFO)).get(INFO) ?? '{}').instance;
  // What it says would be told apart: another advskew, another role for its first seconds.
  const other = memoryGroup('plant', { advskew: 50 });
  const second = LocalCarp.start(t, plan(broker, { clientId: 'carp-rpi1-22222222' }, other));
  await Promise.all([first, second].map(({ child }) => child.untilLine(DUPLICATE, 30_000)));

  const ear = await broker.subscribe('carp/plant/node/rpi1/state');
  const met = monotonicMs();
  await until('a state that was told ten seconds later', 60_000, () =>
    ear.messages().some(({ at }) => at > met + WATCHED_MS),
  );
  const connects = broker.connects(/^carp-rpi1-/);
  t.diagnostic(`${connects} connects of both in ${WATCHED_MS / 1000} s and more`);
  assert.ok(connects <= 4, `${connects} connects: a fight\n${broker.log.join('\n')}`);
  const kept = await retainedOn(broker, 'carp/#');
  assert.deepEqual(
    retainedProblems(kept, await first.views(), { soon: true }).filter((line) => !line.startsWith('carp/plant/alarm')),
    [],
  );
  assert.equal(JSON.parse(kept.get(INFO) ?? '{}').instance, instance);
  for (const { child } of [first, second]) {
    const said = [...child.stdout, ...child.stderr].filter(({ text }) => DUPLICATE.test(text) && /mqtt/.test(text));
    assert.ok(said.length <= 3, `said once or twice, not each second:\n${said.map(({ text }) => text).join('\n')}`);
  }

  // The first one is stopped: whoever stood aside may speak.
  assert.equal(await first.terminate(), 0);
  await until(
    'the second one to be heard',
    60_000,
    async () => {
      const now = await retainedOn(broker, 'carp/#');
      const wrong = retainedProblems(now, await second.views(), { soon: true });
      return wrong.filter((line) => !line.startsWith('carp/plant/alarm')).length === 0;
    },
    () => second.child.report(),
  );
});

test('two that even have one client id, as cloned machines do, do not take turns at the session', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const broker = await LocalBroker.start(t);
  const clientId = 'carp-rpi1-clone';
  const ear = await broker.subscribe(STATUS, INFO);
  const first = LocalCarp.start(t, plan(broker, { clientId }));
  await first.untilRole('MASTER');
  await ear.untilMessage(STATUS, 'online', 20_000);
  const second = LocalCarp.start(t, plan(broker, { clientId }));
  await second.untilRole('MASTER');
  const before = broker.connects(/^carp-rpi1-/);
  await delay(WATCHED_MS);
  const connects = broker.connects(/^carp-rpi1-/) - before;
  t.diagnostic(`${connects} connects in ${WATCHED_MS / 1000} s`);
  assert.ok(connects <= 8, `${connects} connects: a fight\n${broker.log.join('\n')}`);
  for (const { child } of [first, second]) assert.ok(child.running, child.report());
});
