import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EVENTS_MAX, Outbox, type Outgoing } from '../../src/adapters/mqtt/outbox.ts';

let clock = 0;
const outboxOf = (expiry = 30): Outbox =>
  new Outbox({ expiry, news: () => undefined, connected: () => true, now: () => clock });

const drained = (outbox: Outbox): readonly string[] => {
  const said: string[] = [];
  for (let next = outbox.next(); next !== undefined; next = outbox.next()) said.push(`${next.topic} ${next.payload}`);
  return said;
};

const taken = (outbox: Outbox, count: number): readonly Outgoing[] =>
  Array.from({ length: count }, () => outbox.next()).filter((one) => one !== undefined);

test('what is kept leaves in the order in which it was kept, then announcements, then the background', () => {
  const outbox = outboxOf();
  outbox.keep('stats', '1', { lane: 'background' });
  outbox.tell({ topic: 'event', payload: '1' });
  outbox.keep('role', 'MASTER');
  outbox.keep('state', '{}');
  assert.deepEqual(drained(outbox), ['role MASTER', 'state {}', 'event 1', 'stats 1']);
});

test('of what had to wait, the newest of each topic is told, and all announcements in order', () => {
  const outbox = outboxOf();
  for (const seq of [1, 2, 3]) {
    outbox.keep('role', `r${seq}`);
    outbox.tell({ topic: 'event', payload: String(seq) });
  }
  assert.deepEqual(drained(outbox), ['role r3', 'event 1', 'event 2', 'event 3']);
});

test('what was said is not repeated to the same connection, and what changed back meanwhile is not said at all', () => {
  const outbox = outboxOf();
  outbox.keep('mode', 'normal');
  drained(outbox);
  outbox.keep('mode', 'normal');
  assert.deepEqual(drained(outbox), []);
  outbox.keep('mode', 'maintenance');
  outbox.keep('mode', 'normal');
  assert.deepEqual(drained(outbox), []);
});

test('what is told again takes its turn anew, so that role, state and master leave in this order', () => {
  const outbox = outboxOf();
  outbox.keep('state', 'old');
  outbox.keep('role', 'MASTER', { again: true });
  outbox.keep('state', 'new', { again: true });
  outbox.keep('master', 'me', { again: true });
  assert.deepEqual(drained(outbox), ['role MASTER', 'state new', 'master me']);
});

test('a new connection is told everything that is kept, in the order of its first keeping', () => {
  const outbox = outboxOf();
  outbox.keep('status', 'online');
  outbox.keep('role', 'BACKUP');
  drained(outbox);
  outbox.keep('role', 'MASTER');
  outbox.begin();
  assert.deepEqual(drained(outbox), ['status online', 'role MASTER'], 'also what changed while nobody listened');
  outbox.begin();
  assert.deepEqual(drained(outbox), ['status online', 'role MASTER']);
});

test('what describes the present expires with its author, and is told again by the refresh; the rest is not', () => {
  const outbox = outboxOf();
  outbox.keep('state', '{}', { expires: true });
  outbox.keep('role', 'MASTER');
  assert.deepEqual(
    taken(outbox, 2).map(({ topic, expirySeconds }) => [topic, expirySeconds]),
    [
      ['state', 30],
      ['role', undefined],
    ],
  );
  clock += 4000;
  outbox.refresh(5000);
  assert.deepEqual(drained(outbox), []);
  clock += 1000;
  outbox.refresh(5000);
  assert.deepEqual(drained(outbox), ['state {}']);
  const forEver = outboxOf(0);
  forEver.keep('state', '{}', { expires: true });
  assert.equal(forEver.next()?.expirySeconds, undefined);
});

test('a topic that is taken back is cleared on the broker; one that somebody else writes from now on is not', () => {
  const outbox = outboxOf();
  outbox.keep('role', 'MASTER');
  outbox.keep('master', 'me');
  drained(outbox);
  outbox.clear('role');
  outbox.leave('master');
  const [cleared, ...others] = taken(outbox, 5);
  assert.deepEqual(cleared, { topic: 'role', payload: '', retain: true, qos: 1 });
  assert.deepEqual(others, []);
  outbox.begin();
  assert.deepEqual(drained(outbox), []);
});

test('what was still to be said on a topic is said before it is cleared: readers see STOPPED, then nothing', () => {
  const outbox = outboxOf();
  outbox.keep('role', 'MASTER');
  drained(outbox);
  outbox.keep('role', 'STOPPED');
  outbox.tell({ topic: 'event', payload: 'stopped' });
  outbox.clear('role');
  outbox.clear('role');
  assert.deepEqual(drained(outbox), ['role STOPPED', 'event stopped', 'role ']);
  outbox.keep('role', 'BACKUP');
  assert.deepEqual(drained(outbox), ['role BACKUP'], 'last words are no standing');
});

test('last words are not said to a new connection, nor when the topic is kept again', () => {
  const outbox = outboxOf();
  outbox.keep('role', 'STOPPED');
  outbox.clear('role');
  outbox.begin();
  assert.deepEqual(drained(outbox), ['role ']);
  outbox.keep('role', 'STOPPED');
  outbox.clear('role');
  outbox.keep('role', 'MASTER');
  assert.deepEqual(drained(outbox), ['role MASTER']);
});

test('a topic that is kept again before it was cleared is not cleared', () => {
  const outbox = outboxOf();
  outbox.keep('role', 'MASTER');
  drained(outbox);
  outbox.clear('role');
  outbox.keep('role', 'BACKUP');
  assert.deepEqual(drained(outbox), ['role BACKUP']);
});

test('announcements and clearances that were not acknowledged are sent again, before later ones', () => {
  const outbox = outboxOf();
  outbox.keep('role', 'MASTER');
  outbox.tell({ topic: 'event', payload: '1' });
  outbox.clear('gone');
  const underway = taken(outbox, 3);
  outbox.tell({ topic: 'event', payload: '2' });
  outbox.putBack(underway);
  outbox.begin();
  assert.deepEqual(drained(outbox), ['role MASTER', 'event 1', 'event 2', 'gone ']);
});

test('what is told once is told once, whether the broker has acknowledged it or not', () => {
  const outbox = outboxOf();
  outbox.tell({ topic: 'answer', payload: '1', once: true });
  outbox.putBack(taken(outbox, 1));
  outbox.tell({ topic: 'answer', payload: '2', once: true });
  assert.deepEqual(drained(outbox), ['answer 2']);
});

test('the oldest announcements give way beyond the bound, and are counted once', () => {
  const outbox = outboxOf();
  for (let seq = 1; seq <= EVENTS_MAX + 7; seq += 1) outbox.tell({ topic: 'event', payload: String(seq) });
  assert.equal(outbox.takeDropped(), 7);
  assert.equal(outbox.takeDropped(), 0);
  assert.equal(outbox.dropped(), 7);
  const events = drained(outbox);
  assert.equal(events.length, EVENTS_MAX);
  assert.equal(events[0], 'event 8');
});

test('an announcement that need not arrive never waits for a connection, and pushes no event out', () => {
  let connected = false;
  const outbox = new Outbox({ expiry: 0, news: () => undefined, connected: () => connected, now: () => 0 });
  outbox.tell({ topic: 'answer', payload: 'no', qos: 0 });
  assert.deepEqual(drained(outbox), []);
  connected = true;
  outbox.tell({ topic: 'event', payload: '1' });
  for (let i = 0; i < 10 * EVENTS_MAX; i += 1) outbox.tell({ topic: 'answer', payload: 'no', qos: 0 });
  assert.ok(outbox.length <= 2 * EVENTS_MAX, `${outbox.length} wait`);
  assert.equal(drained(outbox)[0], 'event 1');
  assert.equal(outbox.dropped(), 0);
});

test('who is silent says nothing of what it keeps, and everything when it may speak again', () => {
  const outbox = outboxOf();
  outbox.keep('role', 'MASTER');
  outbox.silence(true);
  outbox.tell({ topic: 'here', payload: 'too', qos: 0 });
  assert.deepEqual(drained(outbox), ['here too']);
  outbox.silence(false);
  outbox.begin();
  assert.deepEqual(drained(outbox), ['role MASTER']);
});

test('the farewell is the last word, and the background is not waited for', () => {
  const outbox = outboxOf();
  outbox.keep('stats', '{}', { lane: 'background' });
  outbox.end('status', 'offline');
  outbox.keep('role', 'STOPPED');
  outbox.tell({ topic: 'event', payload: '9' });
  assert.deepEqual(drained(outbox), ['role STOPPED', 'event 9', 'status offline']);
  assert.equal(outbox.next(), undefined);
});
