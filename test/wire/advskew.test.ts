/** `carp advskew` on real hosts: the new rank is on the wire at once, and whoever preempts acts on it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Capture } from '../support/capture.ts';
import { CARP, Carp, type GroupText } from '../support/carp.ts';
import { Lan, type Machine } from '../support/netns.ts';
import { missingForAgent } from '../support/requirements.ts';

const VIP = '192.0.2.100';
const START_MS = 20_000;
/** A few round trips, a claim of 3 ms, and whatever else this machine does; far from the 3 s of a timeout. */
const TAKEOVER_MS_MAX = 1000;

const plant = (advskew: number): GroupText => ({
  name: 'plant',
  interface: 'eth0',
  vhid: 10,
  pass: 'secret',
  addresses: [`${VIP}/24`],
  advskew,
  preempt: true,
});

const operate = async (lan: Lan, on: Machine, ...args: readonly string[]): Promise<string> => {
  const socket = join(lan.folder, on.name, 'agent.sock');
  const child = lan.start(on, 'carp', [process.execPath, CARP, ...args, '--socket', socket]);
  assert.equal((await child.untilExit(START_MS)).code, 0, child.report());
  return child.stdout.map(({ text }) => text).join('\n');
};

test('a MASTER that is made worse is preempted at once; back to its own advskew, it preempts in turn', {
  skip: missingForAgent('tcpdump'),
  timeout: 120_000,
}, async (t) => {
  const lan = await Lan.create(t, 2);
  const [first, second] = [lan.host(1), lan.host(2)];
  const one = Carp.start(lan, first, [plant(0)]);
  await one.untilRole('MASTER', START_MS);
  const two = Carp.start(lan, second, [plant(100)]);
  await two.untilRole('BACKUP', START_MS);
  const capture = await Capture.start(lan);
  await capture.untilAdverts(first, 2, START_MS);

  const line = await operate(lan, first, 'advskew', 'plant', '200');
  assert.match(line, /^plant on h1: (?:MASTER|BACKUP), advskew 200 until the agent ends; the configuration says 0$/);
  const taken = await two.untilRole('MASTER', START_MS);
  assert.equal(taken.event.reason, 'preempt');
  const left = await one.untilRole('BACKUP', START_MS);
  assert.equal(left.event.reason, 'better-master');
  const told = one.events().find(({ event }) => event['advskew'] === 200);
  assert.ok(told, one.child.report());
  // Both by the clock of this machine.
  const span = Date.parse(String(taken.event['at'])) - Date.parse(String(told.event['at']));
  t.diagnostic(`taken ${span.toFixed(0)} ms after the new rank was told`);
  assert.ok(span < TAKEOVER_MS_MAX, `${span} ms`);
  await lan.untilHolders(VIP, ['h2'], 2000);
  assert.match(await operate(lan, first, 'status'), /advskew 200\n[\s\S]*advskew +200, set by an operator; the conf/);

  assert.match(await operate(lan, first, 'advskew', 'plant', 'default'), /^plant on h1: (?:MASTER|BACKUP), advskew 0$/);
  await one.untilRole('MASTER', START_MS);
  assert.equal(one.transitions().at(-1)?.event.reason, 'preempt');
  await lan.untilHolders(VIP, ['h1'], 2000);
});
