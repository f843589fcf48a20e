/** The documented order of messages, as a plain mosquitto_sub sees it, with TLS and without. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LocalCarp, memoryGroup, mqttOf, SimulatedHosts } from '../support/broker-hosts.ts';
import { LocalBroker, missingForBroker } from '../support/broker-local.ts';
import { retainedProblems } from '../support/broker-model.ts';
import { retainedOn } from '../support/broker-retained.ts';
import type { SubscribedMessage } from '../support/broker-subscriber.ts';
import { monotonicMs, until } from '../support/wait.ts';

const skip = missingForBroker();
/** Nothing is repeated while an order is looked at. */
const QUIET = { refresh: 3600, expiry: 0 };
const roleIn = (payload: string): unknown => (payload === '' ? undefined : JSON.parse(payload).role);

/** `topic value` without the long payloads: of JSON the role, or the node of a claim. */
const short = ({ topic, payload }: SubscribedMessage): string => {
  if (!payload.startsWith('{')) return `${topic} ${payload}`;
  const told = JSON.parse(payload);
  return `${topic} ${told.role ?? told.node}`;
};

for (const tls of [false, true]) {
  const over = tls ? 'over TLS' : 'without TLS';

  test(`a takeover is heard as role, state, master, addresses and then the event, ${over}`, {
    skip,
    timeout: 120_000,
  }, async (t) => {
    const broker = await LocalBroker.start(t, { tls });
    const ear = await broker.subscribe('carp/#');
    const groups = (advskew: number) => [
      memoryGroup('plant', { addresses: ['192.0.2.100/24', '2001:db8::100/64'], advskew }),
    ];
    const hosts = await SimulatedHosts.start(t, [
      { node: 'a', groups: groups(0), more: { mqtt: mqttOf(broker, QUIET) } },
      { node: 'b', groups: groups(100), more: { mqtt: mqttOf(broker, QUIET) } },
    ]);
    await hosts.untilRole('a', 'MASTER');
    await hosts.untilRole('b', 'BACKUP');
    await until('what the broker keeps to be right', 20_000, async () => {
      const wrong = retainedProblems(await retainedOn(broker, 'carp/#'), await hosts.views(), { soon: true });
      return wrong.length === 0;
    });

    const crashed = monotonicMs();
    await hosts.supervisor.simulate({ node: 'a', action: 'crash' });
    await ear.untilMessage('carp/node/a/status', 'offline', 20_000, crashed);
    const isMaster = (payload: string): boolean => roleIn(payload) === 'MASTER';
    const event = await ear.untilMessage('carp/plant/node/b/event', isMaster, 20_000, crashed);
    const heard = ear.messages().filter(({ at }) => at >= crashed);
    const order = heard.map(short);
    order.length = order.indexOf('carp/plant/node/b/event MASTER') + 1;
    const mine = order.filter((line) => /^carp\/plant\/(node\/b\/(role|state|event|vip)|master)/.test(line));
    assert.deepEqual(mine.slice(mine.indexOf('carp/plant/node/b/role MASTER')), [
      'carp/plant/node/b/role MASTER',
      'carp/plant/node/b/state MASTER',
      'carp/plant/master b',
      'carp/plant/node/b/vip/192.0.2.100 held',
      'carp/plant/node/b/vip/2001:db8::100 held',
      'carp/plant/node/b/event MASTER',
    ]);
    const told = JSON.parse(event.payload);
    assert.deepEqual(
      [told.event_type, told.previous, told.reason, told.group, told.node, told.vhid],
      ['became_master', 'BACKUP', 'master-timeout', 'plant', 'b', 10],
    );
    assert.equal(event.retain, false);
    assert.ok(
      [...(await retainedOn(broker))].every(([topic]) => !topic.endsWith('/event')),
      'who comes later is told no old event',
    );
    const secret = ear.messages().find(({ payload }) => payload.includes('correct horse'));
    assert.equal(secret, undefined, 'no message contains the password');
  });

  test(`an agent that is stopped says STOPPED and then offline, and nothing more, ${over}`, {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const broker = await LocalBroker.start(t, { tls });
    const ear = await broker.subscribe('carp/#');
    const plan = { node: 'rpi1', groups: [memoryGroup('plant')], more: { mqtt: mqttOf(broker, QUIET) } };
    const agent = LocalCarp.start(t, plan);
    await agent.untilRole('MASTER');
    await ear.untilMessage('carp/plant/node/rpi1/role', 'MASTER', 20_000);
    await ear.untilMessage('carp/plant/node/rpi1/vip/192.0.2.100', 'held', 20_000);

    const stopped = monotonicMs();
    assert.equal(await agent.terminate(), 0);
    await ear.untilMessage('carp/node/rpi1/status', 'offline', 10_000, stopped);
    const order = ear
      .messages()
      .filter(({ at }) => at >= stopped)
      .map(short);
    const from = order.slice(order.indexOf('carp/plant/node/rpi1/role STOPPED'));
    assert.deepEqual(
      from.filter((line) => !/\/(stats|info|alarm)/.test(line)),
      [
        'carp/plant/node/rpi1/role STOPPED',
        'carp/plant/node/rpi1/state STOPPED',
        'carp/plant/node/rpi1/vip/192.0.2.100 absent',
        'carp/plant/node/rpi1/event STOPPED',
        'carp/node/rpi1/status offline',
      ],
    );
    // The broker has forgotten the will: this is the only `offline`.
    assert.equal(
      broker.log.some((line) => /Client carp-rpi1\S* disconnected/.test(line)),
      true,
      broker.log.join('\n'),
    );
    assert.equal(order.filter((line) => line.endsWith(' offline')).length, 1);
  });
}
