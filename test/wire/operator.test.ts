/** What operators do on real hosts: hand over with a receipt, maintenance that outlives the agent, and back again. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Capture } from '../support/capture.ts';
import { CARP, Carp, type GroupText } from '../support/carp.ts';
import type { Child } from '../support/child.ts';
import { Lan, type Machine } from '../support/netns.ts';
import { Prober } from '../support/prober.ts';
import { missingForAgent } from '../support/requirements.ts';
import { monotonicMs, until } from '../support/wait.ts';

const VIP = '192.0.2.100';
const skip = missingForAgent('tcpdump');
const START_MS = 20_000;
/** Facts/high-availability.md, pain 9: a planned switch-over must not cost three seconds. */
const SILENCE_MS_MAX = 300;

const plant = (advskew: number, more: GroupText = {}): GroupText => ({
  name: 'plant',
  interface: 'eth0',
  vhid: 10,
  pass: 'secret',
  addresses: [`${VIP}/24`],
  advskew,
  ...more,
});

/** `carp …` on this host, to its end. */
const operate = async (lan: Lan, on: Machine, ...args: readonly string[]) => {
  const socket = join(lan.folder, on.name, 'agent.sock');
  const child: Child = lan.start(on, `carp ${args[0]}`, [process.execPath, CARP, ...args, '--socket', socket]);
  const { code } = await child.untilExit(START_MS);
  const text = (lines: Child['stdout']): string => lines.map((line) => line.text).join('\n');
  return { code, stdout: text(child.stdout), stderr: text(child.stderr) };
};

/** A BACKUP takes over from a MASTER that it has heard, and from no other (DESIGN D5). */
const untilFollowed = async (lan: Lan, master: Machine, backup: Carp): Promise<Capture> => {
  await backup.untilRole('BACKUP', START_MS);
  const capture = await Capture.start(lan);
  await capture.untilAdverts(master, 2, START_MS);
  return capture;
};

describe('operators', { concurrency: 2 }, () => {
  test('carp hand-over names who took over, loses no more than a blink, and fails where nobody takes over', {
    skip,
    timeout: 120_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const one = Carp.start(lan, first, [plant(0)]);
    await one.untilRole('MASTER', START_MS);

    const alone = await operate(lan, first, 'hand-over', 'plant');
    assert.deepEqual([alone.code, alone.stdout], [1, '']);
    assert.match(alone.stderr, /nobody took over plant; this host is still MASTER/);
    await lan.untilHolders(VIP, ['h1'], 0);

    const two = Carp.start(lan, second, [plant(100)]);
    await untilFollowed(lan, first, two);
    const prober = await Prober.start(lan, VIP);
    await prober.untilAnsweredBy('h1', 5000);
    const wrong = await operate(lan, second, 'hand-over', 'plant');
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /plant is BACKUP here, and only a MASTER can hand over/);

    const told = monotonicMs();
    const receipt = await operate(lan, first, 'hand-over', 'plant');
    assert.equal(receipt.code, 0, receipt.stderr);
    assert.match(receipt.stdout, /^plant: 192\.0\.2\.12 took over after \d+ ms$/);
    assert.equal((await two.untilRole('MASTER', 2000)).event.reason, 'bow-out-heard');
    await prober.untilAnsweredBy('h2', 5000);
    const silence = prober.longestSilence(told - 100);
    t.diagnostic(`${receipt.stdout}; client without answer for ${silence.toFixed(0)} ms`);
    assert.ok(silence < SILENCE_MS_MAX, `client without answer for ${silence} ms`);
    await lan.untilHolders(VIP, ['h2'], 1000);
  });

  test('maintenance hands over, survives SIGKILL and a new start, stays the last resort, and ends with off', {
    skip,
    timeout: 180_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const stored = join(lan.folder, 'h1', 'state', 'maintenance.json');
    let one = Carp.start(lan, first, [plant(0, { preempt: true })]);
    await one.untilRole('MASTER', START_MS);
    const two = Carp.start(lan, second, [plant(100)]);
    const capture = await untilFollowed(lan, first, two);

    const on = await operate(lan, first, 'maintenance', 'on');
    assert.equal(on.code, 0, on.stderr);
    assert.match(
      on.stdout,
      /^h1 is in maintenance\nplant: 192\.0\.2\.12 took over after \d+ ms; BACKUP, demotion 240$/,
    );
    assert.equal((await one.untilRole('BACKUP', 2000)).event.reason, 'maintenance');
    assert.equal(JSON.parse(readFileSync(stored, 'utf8')).entries[0].node, 'h1');

    one.child.signal('SIGKILL');
    await one.child.untilExit(5000);
    one = Carp.start(lan, first, [plant(0, { preempt: true })]);
    await one.untilRole('BACKUP', START_MS);
    const status = await operate(lan, first, 'status');
    assert.match(status.stdout, /^ {2}demotion {6}240: maintenance 240 since \d{4}-/m);
    for (const line of status.stdout.split('\n')) assert.ok(line.length <= 80, line);

    // Its own skew is better than that of the MASTER, and it would preempt at the next advert.
    await capture.untilAdverts(second, 4, START_MS);
    assert.equal(one.role(), 'BACKUP', 'a host in maintenance does not preempt');

    // Nobody else is left: better this host than none.
    await lan.powerOff(second);
    await one.untilRole('MASTER', START_MS);
    assert.equal(one.transitions().at(-1)?.event.reason, 'master-timeout');
    await lan.untilHolders(VIP, ['h1'], 5000);
    const again = await operate(lan, first, 'maintenance', 'on');
    assert.match(
      again.stdout,
      /^h1 is in maintenance already\nplant: nobody took over, still MASTER as the last resort/,
    );

    const off = await operate(lan, first, 'maintenance', 'off');
    assert.equal(off.stdout, 'h1 is no longer in maintenance\nplant: MASTER, demotion 0');
    assert.equal(existsSync(stored), false);
    const twice = await operate(lan, first, 'maintenance', 'off');
    assert.deepEqual([twice.code, twice.stdout], [0, 'h1 was not in maintenance\nplant: MASTER, demotion 0']);
  });

  test('a host that observes hands over, takes nothing when nobody else is left, also after SIGKILL, and does when it is over', {
    skip,
    timeout: 180_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    let one = Carp.start(lan, first, [plant(0, { preempt: true })]);
    await one.untilRole('MASTER', START_MS);
    const two = Carp.start(lan, second, [plant(100)]);
    await untilFollowed(lan, first, two);

    const on = await operate(lan, first, 'observe', 'on', 'plant');
    assert.match(
      on.stdout,
      /^plant on h1 only observes now\nplant: 192\.0\.2\.12 took over after \d+ ms; BACKUP, demotion 240$/,
      on.stderr,
    );
    assert.equal((await one.untilRole('BACKUP', 2000)).event.reason, 'forced');
    await lan.untilHolders(VIP, ['h2'], 1000);

    one.child.signal('SIGKILL');
    await one.child.untilExit(5000);
    one = Carp.start(lan, first, [plant(0, { preempt: true })]);
    await one.untilRole('BACKUP', START_MS);
    const shown = async () => JSON.parse((await operate(lan, first, 'status', '--json')).stdout).hosts[0].groups[0];
    await until(
      'the new agent to hear the MASTER',
      START_MS,
      async () => (await shown()).master?.address === '192.0.2.12',
    );
    await lan.powerOff(second);
    const silent = await until('two master-down times without a MASTER', START_MS, async () => {
      const group = await shown();
      return group.peers[0].lastHeardMs > 2 * group.masterDownMs ? group : undefined;
    });
    assert.deepEqual([silent.role, silent.mode, silent.demotion, silent.master], ['BACKUP', 'observe', 240, undefined]);
    assert.deepEqual(
      one.transitions().map(({ event }) => event.role),
      ['BACKUP'],
    );
    await lan.untilHolders(VIP, [], 1000);

    const off = await operate(lan, first, 'observe', 'off');
    assert.equal(off.stdout, 'h1 no longer observes: it may become MASTER\nplant: BACKUP, demotion 0');
    await one.untilRole('MASTER', START_MS);
    await lan.untilHolders(VIP, ['h1'], 1000);

    // Without anybody to hand over to.
    const alone = await operate(lan, first, 'observe', 'on');
    assert.equal(
      alone.stdout,
      'h1 only observes now\nplant: nobody took over, and nobody holds its addresses now; BACKUP, demotion 240',
    );
    await lan.untilHolders(VIP, [], 1000);
  });

  test('a host that is demoted hands over, and takes its group back by preempt when it is restored', {
    skip,
    timeout: 120_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const one = Carp.start(lan, first, [plant(0, { preempt: true })]);
    await one.untilRole('MASTER', START_MS);
    const two = Carp.start(lan, second, [plant(100)]);
    await untilFollowed(lan, first, two);

    const demoted = await operate(lan, first, 'demote', 'backup-job', '--for', '1h');
    assert.equal(demoted.code, 0, demoted.stderr);
    assert.match(
      demoted.stdout,
      /^h1 is demoted by 240 for 1h: backup-job\nplant: 192\.0\.2\.12 took over after \d+ ms;/,
    );
    assert.equal((await one.untilRole('BACKUP', 2000)).event.reason, 'demoted');
    const status = await operate(lan, first, 'status');
    assert.match(status.stdout, /240: backup-job 240 since .*, ends in 59 min$/m);

    const restored = await operate(lan, first, 'restore', 'backup-job');
    assert.match(restored.stdout, /^h1 is no longer demoted: backup-job\n/);
    await one.untilRole('MASTER', START_MS);
    assert.equal(one.transitions().at(-1)?.event.reason, 'preempt');
    await lan.untilHolders(VIP, ['h1'], 1000);
  });
});
