import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerName, mqttClientId } from '../../src/adapters/mqtt/connection.ts';
import { EVENTS_MAX, Outbox, type Outgoing } from '../../src/adapters/mqtt/outbox.ts';
import { isVersionRefused, mqttFailure } from '../../src/adapters/mqtt/problem.ts';
import { eventMessage, roleMessage, stateMessage, statusMessage, topicLevel } from '../../src/adapters/mqtt/topics.ts';
import { carpEvent } from './mqtt-events.ts';

const scope = { base: 'carp', node: 'rpi1' };

test('role and state of a group are retained below the node that has them, the event is not', () => {
  const event = carpEvent({ role: 'MASTER', previous: 'BACKUP' });
  assert.deepEqual(roleMessage(scope, event), { topic: 'carp/plant/node/rpi1/role', payload: 'MASTER', retain: true });
  assert.deepEqual(stateMessage(scope, event), {
    topic: 'carp/plant/node/rpi1/state',
    payload: JSON.stringify(event),
    retain: true,
  });
  assert.deepEqual(eventMessage(scope, event), {
    topic: 'carp/plant/node/rpi1/event',
    payload: JSON.stringify(event),
    retain: false,
  });
  assert.deepEqual(statusMessage(scope, 'online'), { topic: 'carp/node/rpi1/status', payload: 'online', retain: true });
});

test('a base of several levels is used as it is, without empty levels', () => {
  assert.equal(statusMessage({ base: '/acme/plant1//', node: 'a' }, 'online').topic, 'acme/plant1/node/a/status');
  assert.equal(statusMessage({ base: '', node: 'a' }, 'online').topic, 'carp/node/a/status');
});

test('no name can reach another topic or become a wildcard, and two names never share one', () => {
  assert.equal(topicLevel('rpi1.example_net-2'), 'rpi1.example_net-2');
  assert.equal(topicLevel('Anlage-Süd'), 'Anlage-Süd');
  assert.equal(topicLevel('a/b'), 'a%2Fb');
  assert.equal(topicLevel('+'), '%2B');
  assert.equal(topicLevel('#'), '%23');
  assert.equal(topicLevel('$SYS'), '%24SYS');
  assert.equal(topicLevel('two words\u0000'), 'two%20words%00');
  const awkward = ['', '%', '%25', 'a b', 'a_b', 'a+b', 'a%2Bb', '\u{1f600}', '€'];
  assert.equal(new Set(awkward.map(topicLevel)).size, awkward.length);
});

test('the client id names the node and the machine', () => {
  assert.equal(mqttClientId('rpi1', '01234567'), 'carp-rpi1-01234567');
  assert.equal(mqttClientId('my rpi', '01234567'), 'carp-my%20rpi-01234567');
});

test('a broker is named without the credentials in its URL', () => {
  assert.equal(brokerName('mqtts://user:secret@broker:8884/x?password=secret'), 'mqtts://broker:8884');
  assert.equal(brokerName('not a URL, secret'), 'the broker');
});

test('a failure says what to do, and an error without words is named by its code', () => {
  const refused = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' });
  assert.deepEqual(mqttFailure(refused), {
    code: 'ECONNREFUSED',
    text: 'ECONNREFUSED: is a broker running and listening there?',
  });
  assert.match(
    mqttFailure(Object.assign(new Error('Connection refused: Not authorized'), { code: 5 })).text,
    /passwordFile/,
  );
  assert.equal(mqttFailure(undefined).text, 'connection failed');
});

test('only the codes for a refused version mean a refused version', () => {
  assert.deepEqual(
    [1, 0x84, 2, 5, 0x87, 'ECONNREFUSED', undefined].map((code) => isVersionRefused({ code, text: '' })),
    [true, true, false, false, false, false, false],
  );
});

const drained = (outbox: Outbox): readonly string[] => {
  const said: string[] = [];
  for (let next = outbox.next(); next !== undefined; next = outbox.next()) said.push(short(next));
  return said;
};

const short = ({ message: { topic, payload } }: Outgoing): string => {
  const kind = topic.split('/').at(-1) ?? '';
  return payload.startsWith('{') ? `${kind} ${JSON.parse(payload).seq}` : `${kind} ${payload}`;
};

test('a single transition leaves as role, state, event', () => {
  const outbox = new Outbox(scope);
  outbox.add(carpEvent({ role: 'MASTER', seq: 2 }));
  assert.deepEqual(drained(outbox), ['role MASTER', 'state 2', 'event 2']);
});

test('of transitions that had to wait, the last role is told and all events in order', () => {
  const outbox = new Outbox(scope);
  outbox.add(carpEvent({ role: 'BACKUP', seq: 1 }));
  outbox.add(carpEvent({ role: 'MASTER', seq: 2 }));
  assert.deepEqual(drained(outbox), ['role MASTER', 'state 2', 'event 1', 'event 2']);
});

test('a connection begins with the birth and the present state of every group, then come the events that waited', () => {
  const outbox = new Outbox(scope);
  outbox.add(carpEvent({ role: 'MASTER', seq: 2 }));
  outbox.begin([
    carpEvent({ event: 'snapshot', role: 'BACKUP', seq: 3 }),
    carpEvent({ event: 'snapshot', group: 'office', role: 'INIT', seq: 0 }),
  ]);
  assert.deepEqual(drained(outbox), ['status online', 'role BACKUP', 'state 3', 'role INIT', 'state 0', 'event 2']);
});

test('a refresh tells only states that differ from what was told, and no role twice', () => {
  const outbox = new Outbox(scope);
  outbox.add(carpEvent({ role: 'BACKUP', seq: 1 }));
  drained(outbox);
  outbox.refresh([carpEvent({ event: 'snapshot', role: 'BACKUP', seq: 1, at: '2026-11-22T13:00:00.000Z' })]);
  assert.deepEqual(drained(outbox), []);
  const master = { address: '192.0.2.12', self: false };
  outbox.refresh([carpEvent({ event: 'snapshot', role: 'BACKUP', seq: 1, master })]);
  assert.deepEqual(drained(outbox), ['state 1']);
  outbox.refresh([carpEvent({ event: 'snapshot', role: 'INIT', seq: 2 })]);
  assert.deepEqual(drained(outbox), ['role INIT', 'state 2']);
});

test('a refresh does not take away the role of a transition that still waits', () => {
  const outbox = new Outbox(scope);
  outbox.add(carpEvent({ role: 'MASTER', seq: 1 }));
  drained(outbox);
  for (const event of [carpEvent({ role: 'BACKUP', seq: 2 }), carpEvent({ role: 'MASTER', seq: 3 })]) outbox.add(event);
  outbox.refresh([carpEvent({ event: 'snapshot', role: 'MASTER', seq: 3 })]);
  assert.deepEqual(drained(outbox), ['role MASTER', 'state 3', 'event 2', 'event 3']);
});

test('events that were not acknowledged are sent again, before later ones; roles and states are not', () => {
  const outbox = new Outbox(scope);
  outbox.add(carpEvent({ seq: 1 }));
  const [role, state, event] = [outbox.next(), outbox.next(), outbox.next()];
  outbox.add(carpEvent({ seq: 2 }));
  outbox.putBack([role, state, event].filter((outgoing) => outgoing !== undefined));
  assert.deepEqual(drained(outbox), ['role MASTER', 'state 2', 'event 1', 'event 2']);
});

test('the oldest events give way beyond the bound, and are counted once', () => {
  const outbox = new Outbox(scope);
  for (let seq = 1; seq <= EVENTS_MAX + 7; seq += 1) outbox.add(carpEvent({ seq }));
  assert.equal(outbox.takeDropped(), 7);
  assert.equal(outbox.takeDropped(), 0);
  const events = drained(outbox).filter((said) => said.startsWith('event'));
  assert.equal(events.length, EVENTS_MAX);
  assert.equal(events[0], 'event 8');
});

test('the farewell is the last word', () => {
  const outbox = new Outbox(scope);
  outbox.end();
  outbox.add(carpEvent({ role: 'STOPPED', seq: 9 }));
  assert.deepEqual(drained(outbox), ['role STOPPED', 'state 9', 'event 9', 'status offline']);
  assert.equal(outbox.next(), undefined);
});
