/** An agent that dies or freezes while its host lives: the kernel takes the address back before another host has it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AddressWatch } from '../support/address-watch.ts';
import { Capture } from '../support/capture.ts';
import { Carp, type GroupText } from '../support/carp.ts';
import { Lan } from '../support/netns.ts';
import { missingForAgent } from '../support/requirements.ts';
import { monotonicMs } from '../support/wait.ts';

const VIP = '192.0.2.100';
const skip = missingForAgent('tcpdump');
const START_MS = 15_000;

const plant = (advskew: number): GroupText => ({
  name: 'plant',
  interface: 'eth0',
  vhid: 10,
  pass: 'secret',
  addresses: [`${VIP}/24`],
  advskew,
});

// Each test has a LAN of its own and mostly waits; more at a time would disturb the measurements.
describe('a dead agent on a living host', { concurrency: 2 }, () => {
  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    test(`after ${signal} of the MASTER the address is gone there before the BACKUP takes it`, {
      skip,
      timeout: 90_000,
    }, async (t) => {
      const lan = await Lan.create(t, 2);
      const [first, second] = [lan.host(1), lan.host(2)];
      const watch = await AddressWatch.start(lan, VIP);
      const capture = await Capture.start(lan);
      const one = Carp.start(lan, first, [plant(0)]);
      await one.untilRole('MASTER', START_MS);
      const two = Carp.start(lan, second, [plant(100)]);
      await two.untilRole('BACKUP', START_MS);

      const hit = monotonicMs();
      one.child.signal(signal);
      const lost = await watch.untilChange('h1', false, START_MS, hit);
      const taken = await watch.untilChange('h2', true, START_MS, hit);
      t.diagnostic(
        `${signal}: the kernel dropped the address after ${(lost.at - hit).toFixed(0)} ms, the BACKUP had it after ${(taken.at - hit).toFixed(0)} ms`,
      );
      assert.ok(lost.at < taken.at, 'never two hosts with the address');

      if (signal === 'SIGSTOP') {
        // Long enough asleep to have lost the election; when it wakes up, it must not bring the address back.
        await capture.untilAdverts(second, 2, START_MS);
        const woken = monotonicMs();
        one.child.signal('SIGCONT');
        await one.untilRole('BACKUP', START_MS);
        await capture.untilAdverts(second, 4, START_MS);
        assert.deepEqual(watch.changes(woken), [], `nothing moves when it wakes up${lan.report()}`);
        assert.deepEqual([one.role(), two.role()], ['BACKUP', 'MASTER']);
      }
    });
  }
});
