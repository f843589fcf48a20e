import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dueAt, type Health, type HealthRules, heard, initialHealth, overdue, resumed } from '../../nodes/health.ts';

const RULES: HealthRules = { fall: 3, rise: 2, expectMs: 0, initially: 'waiting' };

/** What becomes of it, by a string of good (+) and bad (-) messages, a second apart. */
const after = (messages: string, rules: HealthRules = RULES, from: Health = initialHealth(rules, 0)): string =>
  [...messages].reduce((health, one, i) => heard(health, one === '+', 1000 * (i + 1), rules), from).state;

for (const [messages, state] of [
  ['', 'waiting'],
  ['+', 'healthy'],
  ['-', 'waiting'],
  ['--', 'waiting'],
  ['---', 'unhealthy'],
  ['+--', 'healthy'],
  ['+---', 'unhealthy'],
  ['--+--', 'healthy'],
  ['---+', 'unhealthy'],
  ['---++', 'healthy'],
  ['---+-+', 'unhealthy'],
] as const)
  test(`with fall 3 and rise 2, "${messages}" is ${state}`, () => assert.equal(after(messages), state));

test('one that is unhealthy from the start has to prove itself', () => {
  const rules = { ...RULES, initially: 'unhealthy' } as const;
  assert.equal(after('', rules), 'unhealthy');
  assert.equal(after('+', rules), 'unhealthy');
  assert.equal(after('++', rules), 'healthy');
});

test('the dead-man timer runs from the first message, or from the start if one is expected', () => {
  const waiting = { ...RULES, expectMs: 5000 };
  assert.equal(dueAt(initialHealth(waiting, 1000), waiting), undefined);
  assert.equal(dueAt(heard(initialHealth(waiting, 1000), true, 2000, waiting), waiting), 7000);
  // A bad message is a message.
  assert.equal(dueAt(heard(initialHealth(waiting, 1000), false, 2000, waiting), waiting), 7000);
  const expected = { ...waiting, initially: 'expected' } as const;
  assert.equal(dueAt(initialHealth(expected, 1000), expected), 6000);
});

test('what is late is bad until enough good messages have come, and nothing is due meanwhile', () => {
  const rules = { ...RULES, expectMs: 5000 };
  const late = overdue(heard(initialHealth(rules, 0), true, 0, rules));
  assert.equal(late.state, 'late');
  assert.equal(dueAt(late, rules), undefined);
  assert.equal(after('+', rules, late), 'late');
  assert.equal(after('++', rules, late), 'healthy');
  assert.equal(after('-', rules, late), 'unhealthy');
});

test('after a deploy the next message has the whole time to come; where none is due, none becomes due', () => {
  const rules = { ...RULES, expectMs: 5000 };
  assert.equal(dueAt(resumed(heard(initialHealth(rules, 0), true, 0, rules), 60_000), rules), 65_000);
  assert.equal(dueAt(resumed(initialHealth(rules, 0), 60_000), rules), undefined);
});
