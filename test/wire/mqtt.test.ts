/** What a subscriber of a real broker learns of a host, also of one that was killed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Broker } from '../support/broker.ts';
import { Carp, type GroupText } from '../support/carp.ts';
import { Lan } from '../support/netns.ts';
import { missingForAgent } from '../support/requirements.ts';
import { monotonicMs } from '../support/wait.ts';

const plant: GroupText = {
  name: 'plant',
  interface: 'eth0',
  vhid: 10,
  pass: 'secret',
  addresses: ['192.0.2.100/24'],
};
const skip = missingForAgent('mosquitto', 'mosquitto_sub');
const equals = (expected: string) => (payload: string) => payload === expected;

test('a subscriber sees role, state and event, and the will of an agent that was killed', {
  skip,
  timeout: 90_000,
}, async (t) => {
  const lan = await Lan.create(t, 1);
  const host = lan.host(1);
  const broker = await Broker.start(lan, 'carp/#');
  const mqtt = { url: broker.url };
  const agent = Carp.start(lan, host, [plant], { config: { mqtt } });
  await agent.untilRole('MASTER', 15_000);
  await broker.untilMessage('carp/node/h1/status', equals('online'), 10_000);
  await broker.untilMessage('carp/plant/node/h1/role', equals('MASTER'), 10_000);
  const state = await broker.untilMessage(
    'carp/plant/node/h1/state',
    (text) => JSON.parse(text).role === 'MASTER',
    10_000,
  );
  const event = await broker.untilMessage(
    'carp/plant/node/h1/event',
    (text) => JSON.parse(text).role === 'MASTER',
    10_000,
  );
  for (const { payload } of [state, event]) {
    const told: unknown = JSON.parse(payload);
    assert.ok(typeof told === 'object' && told !== null);
    const seen = Object.entries(told).filter(([key]) => ['group', 'node', 'role', 'vhid', 'reason'].includes(key));
    assert.deepEqual(Object.fromEntries(seen), {
      group: 'plant',
      node: 'h1',
      role: 'MASTER',
      vhid: 10,
      reason: 'master-timeout',
    });
  }
  assert.ok(!broker.messages().some(({ payload }) => payload.includes('secret')), 'no message contains the password');

  const killed = monotonicMs();
  agent.child.signal('SIGKILL');
  const will = await broker.untilMessage('carp/node/h1/status', equals('offline'), 15_000, killed);
  t.diagnostic(`the will came ${(will.at - killed).toFixed(0)} ms after SIGKILL`);

  const again = Carp.start(lan, host, [plant], { config: { mqtt } });
  await again.untilRole('MASTER', 15_000);
  await broker.untilMessage('carp/node/h1/status', equals('online'), 10_000, will.at);
  const stopped = monotonicMs();
  assert.equal((await again.terminate()).code, 0);
  await broker.untilMessage('carp/plant/node/h1/role', equals('STOPPED'), 5000, stopped);
  await broker.untilMessage('carp/node/h1/status', equals('offline'), 5000, stopped);
});
