/** What the bus says of a host that died, hangs, or came back: nothing outlives its author. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LocalCarp, memoryGroup, mqttOf } from '../support/broker-hosts.ts';
import { LocalBroker, missingForBroker } from '../support/broker-local.ts';
import { retainedProblems } from '../support/broker-model.ts';
import { retainedOn } from '../support/broker-retained.ts';
import { monotonicMs, until } from '../support/wait.ts';

const skip = missingForBroker();
const STATUS = 'carp/node/rpi1/status';
const ROLE = 'carp/plant/node/rpi1/role';
const STATE = 'carp/plant/node/rpi1/state';
const MASTER = 'carp/plant/master';

const plan = (broker: LocalBroker, mqtt: object = {}, groups: readonly object[] = [memoryGroup('plant')]) => ({
  node: 'rpi1',
  groups,
  more: { mqtt: mqttOf(broker, mqtt) },
});

/** Waits until the broker keeps what it has to, and nothing else. */
const untilRight = async (broker: LocalBroker, agent: LocalCarp, withinMs = 20_000): Promise<void> => {
  let wrong: readonly string[] = [];
  await until(
    'what the broker keeps to be right',
    withinMs,
    async () => {
      wrong = retainedProblems(await retainedOn(broker, 'carp/#'), await agent.views(), { soon: true });
      return wrong.length === 0;
    },
    () => `${wrong.join('\n')}\n${agent.child.report()}`,
  );
};

for (const tls of [false, true]) {
  const over = tls ? 'over TLS' : 'without TLS';

  test(`the will of an agent that was killed is told at once, and taken back when it returns, ${over}`, {
    skip,
    timeout: 120_000,
  }, async (t) => {
    const broker = await LocalBroker.start(t, { tls });
    const ear = await broker.subscribe(STATUS);
    const first = LocalCarp.start(t, plan(broker));
    await first.untilRole('MASTER');
    await untilRight(broker, first);
    const killed = monotonicMs();
    first.child.signal('SIGKILL');
    const will = await ear.untilMessage(STATUS, 'offline', 10_000, killed);
    t.diagnostic(`${over}: offline ${(will.at - killed).toFixed(0)} ms after SIGKILL`);
    const kept = await retainedOn(broker, 'carp/#');
    assert.equal(kept.get(STATUS), 'offline');
    assert.equal(kept.get(ROLE), 'MASTER', 'a role alone is not to be believed: status says whether its author lives');

    const second = LocalCarp.start(t, plan(broker), first.folder);
    await ear.untilMessage(STATUS, 'online', 20_000, will.at);
    await second.untilRole('MASTER');
    await untilRight(broker, second);
    assert.equal(
      ear.messages().filter(({ payload }) => payload === 'offline').length,
      1,
      'no late will comes after it',
    );
  });

  test(`an agent that is frozen is offline after one and a half of keepalive, and puts all right afterwards, ${over}`, {
    skip,
    timeout: 120_000,
  }, async (t) => {
    const keepalive = 2;
    const broker = await LocalBroker.start(t, { tls });
    const ear = await broker.subscribe(STATUS);
    const agent = LocalCarp.start(t, plan(broker, { keepalive, refresh: 3600, expiry: 0 }));
    await agent.untilRole('MASTER');
    await untilRight(broker, agent);
    const frozen = monotonicMs();
    t.after(() => agent.child.signal('SIGCONT'));
    agent.child.signal('SIGSTOP');
    const will = await ear.untilMessage(STATUS, 'offline', 40_000, frozen);
    const after = will.at - frozen;
    t.diagnostic(`${over}: offline ${after.toFixed(0)} ms after SIGSTOP with a keepalive of ${keepalive} s`);
    // It was heard up to one keepalive before it froze, and Mosquitto 2.0.11 looks around every 5 s.
    assert.ok(after > keepalive * 500, `${after} ms`);

    agent.child.signal('SIGCONT');
    await ear.untilMessage(STATUS, 'online', 40_000, will.at);
    await agent.untilRole('MASTER', 30_000);
    await untilRight(broker, agent);
  });
}

test('a state is there as long as its author lives, and vanishes from the broker soon after its death', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const expiry = 3;
  const broker = await LocalBroker.start(t);
  const ear = await broker.subscribe('carp/plant/#');
  const agent = LocalCarp.start(t, plan(broker, { expiry, refresh: 1 }));
  await agent.untilRole('MASTER');
  const states = (): number =>
    ear.messages().filter(({ topic, payload }) => topic === STATE && payload.includes('"role":"MASTER"')).length;
  const from = monotonicMs();
  // Twice the expiry and more: without being told anew it would have gone.
  await until('the state to be refreshed', 60_000, () => states() > 2 * expiry + 2);
  assert.ok(monotonicMs() - from > expiry * 1000);
  const living = await retainedOn(broker, 'carp/#');
  assert.deepEqual(retainedProblems(living, await agent.views(), { soon: true }), []);
  const roles = ear.messages().filter(({ topic }) => topic === ROLE);
  assert.deepEqual(
    roles.map(({ payload }) => payload),
    ['INIT', 'BACKUP', 'MASTER'].slice(-roles.length),
    'the role is not repeated with it',
  );

  agent.child.signal('SIGKILL');
  const killed = monotonicMs();
  const kept = await until('the state to expire', 30_000, async () => {
    const now = await retainedOn(broker, 'carp/#');
    return now.has(STATE) || now.has(MASTER) ? undefined : now;
  });
  t.diagnostic(
    `state and master were gone ${(monotonicMs() - killed).toFixed(0)} ms after the kill, expiry ${expiry} s`,
  );
  assert.equal(kept.get(STATUS), 'offline', 'that it is offline does not expire');
  assert.equal(kept.get(ROLE), 'MASTER');
});

const lab = memoryGroup('lab', { vhid: 20, addresses: ['192.0.2.120/24'] });

test('a group that is removed while the agent runs leaves nothing on the broker', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const broker = await LocalBroker.start(t);
  const agent = LocalCarp.start(t, plan(broker, {}, [memoryGroup('plant'), lab]));
  await agent.untilRole('MASTER');
  await agent.untilRole('MASTER', 20_000, 'lab');
  await untilRight(broker, agent);
  const ear = await broker.subscribe('carp/lab/node/rpi1/role');
  agent.reload(plan(broker));
  await until('the removal', 20_000, async () => (await agent.views())[0]?.groups.length === 1);
  // A MASTER hands over first, which takes a second where nobody else is.
  await agent.untilRole('STOPPED', 20_000, 'lab');
  await until('its topics to be taken back', 20_000, () => ear.messages().at(-1)?.payload === '');
  await untilRight(broker, agent);
  const late = await retainedOn(broker, 'carp/lab/#');
  assert.deepEqual([...late], []);
  const roles = ear.messages().map(({ payload }) => payload);
  assert.deepEqual(roles, ['MASTER', 'STOPPED', ''], 'it is said to have stopped before it is taken back');
});

test('an agent that comes back with fewer groups clears what its predecessor left, and nothing of others', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const broker = await LocalBroker.start(t);
  const first = LocalCarp.start(t, plan(broker, {}, [memoryGroup('plant'), lab]));
  // Somebody else in the same group, who publishes as well.
  const others = { ...plan(broker, {}, [memoryGroup('lab', { vhid: 20 })]), node: 'rpi2' };
  const other = LocalCarp.start(t, others);
  await first.untilRole('MASTER', 20_000, 'lab');
  await other.untilRole('MASTER', 20_000, 'lab');
  const ear = await broker.subscribe('carp/node/rpi1/status');
  await ear.untilMessage('carp/node/rpi1/status', 'online', 20_000);
  await until('both to be told of', 20_000, async () => {
    const kept = await retainedOn(broker, 'carp/lab/#');
    return kept.get('carp/lab/node/rpi1/role') === 'MASTER' && kept.get('carp/lab/node/rpi2/role') === 'MASTER';
  });
  const killed = monotonicMs();
  first.child.signal('SIGKILL');
  await ear.untilMessage('carp/node/rpi1/status', 'offline', 10_000, killed);

  const second = LocalCarp.start(t, plan(broker), first.folder);
  await second.untilRole('MASTER');
  let wrong: readonly string[] = [];
  await until(
    'what the broker keeps to be right',
    30_000,
    async () => {
      const kept = await retainedOn(broker, 'carp/#');
      // The two are no neighbours: each is alone on a LAN of its own, and both claim to be MASTER of `lab`.
      const views = [...(await second.views()), ...(await other.views())];
      wrong = retainedProblems(kept, views, { soon: true }).filter((line) => !line.startsWith('carp/lab/alarm'));
      return wrong.length === 0;
    },
    () => wrong.join('\n'),
  );
});
