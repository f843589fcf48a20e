/** An agent that is killed and started again by its supervisor, while its host and the addresses on it live on. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AddressWatch } from '../support/address-watch.ts';
import { Capture } from '../support/capture.ts';
import { Carp, type GroupText } from '../support/carp.ts';
import { Lan } from '../support/netns.ts';
import { Prober } from '../support/prober.ts';
import { missingForAgent } from '../support/requirements.ts';
import { monotonicMs, until } from '../support/wait.ts';

const VIP = '192.0.2.100';
const skip = missingForAgent('tcpdump');
/** The master-down time below is 10 s of it. */
const START_MS = 30_000;
/** What a client of the shared address may miss (the acceptance). */
const OUTAGE_MS_MAX = 500;

/** A lease of 9 s: an agent still finds it that a busy machine needs some seconds to start. */
const plant = (advskew: number): GroupText => ({
  name: 'plant',
  interface: 'eth0',
  vhid: 10,
  pass: 'secret',
  addresses: [`${VIP}/24`],
  deadratio: 10,
  advskew,
});

const roles = (carp: Carp): readonly string[] => carp.transitions().map(({ event }) => `${event.role} ${event.reason}`);

/** The supervisor's pause before it starts an agent again. */
const restartDelay = async (): Promise<void> => {
  const end = monotonicMs() + 100;
  await until('100 ms to pass', START_MS, () => monotonicMs() >= end);
};

// Each test has a LAN of its own and mostly waits; more at a time would disturb the measurements.
describe('an agent that was killed and started again', { concurrency: 2 }, () => {
  test('hands over: the BACKUP is MASTER at once, and a client hardly notices', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const before = await lan.addressList(first);
    const watch = await AddressWatch.start(lan, VIP);
    const capture = await Capture.start(lan);
    const one = Carp.start(lan, first, [plant(0)]);
    await one.untilRole('MASTER', START_MS);
    const two = Carp.start(lan, second, [plant(100)]);
    await two.untilRole('BACKUP', START_MS);
    await capture.untilAdverts(first, 3, START_MS);
    const prober = await Prober.start(lan, VIP);
    await prober.untilAnsweredBy('h1', 5000);

    const hit = monotonicMs();
    one.child.signal('SIGKILL');
    await one.child.untilExit(START_MS);
    await restartDelay();
    const again = Carp.start(lan, first, [plant(0)]);
    const backup = await again.untilRole('BACKUP', START_MS);
    const master = await two.untilRole('MASTER', START_MS);
    await prober.untilAnsweredBy('h2', 5000);
    const lost = await watch.untilChange('h1', false, START_MS, hit);
    const taken = await watch.untilChange('h2', true, START_MS, hit);
    await capture.untilAdverts(second, 3, START_MS);

    const silence = prober.longestSilence(hit - 100);
    t.diagnostic(
      `agent ready ${(backup.received - hit).toFixed(0)} ms after the kill, the peer had the address ${(taken.at - backup.received).toFixed(0)} ms later, removed ${(lost.at - taken.at).toFixed(1)} ms after that; client without answer for ${silence.toFixed(0)} ms`,
    );
    assert.equal(master.event.reason, 'bow-out-heard', lan.report());
    assert.ok(silence < OUTAGE_MS_MAX, `client without answer for ${silence} ms`);
    assert.deepEqual(roles(two), ['BACKUP startup', 'MASTER bow-out-heard']);
    assert.deepEqual(roles(again), ['BACKUP startup']);
    await lan.untilHolders(VIP, ['h2'], 0);
    assert.deepEqual(await lan.addressList(first), before);
  });

  test('alone goes on as MASTER with the addresses it had', { skip, timeout: 90_000 }, async (t) => {
    const lan = await Lan.create(t, 1);
    const watch = await AddressWatch.start(lan, VIP);
    const one = Carp.start(lan, lan.host(1), [plant(0)]);
    await one.untilRole('MASTER', START_MS);
    const prober = await Prober.start(lan, VIP);
    await prober.untilAnsweredBy('h1', 5000);

    const hit = monotonicMs();
    one.child.signal('SIGKILL');
    await one.child.untilExit(START_MS);
    await restartDelay();
    const again = Carp.start(lan, lan.host(1), [plant(0)]);
    const master = await again.untilRole('MASTER', START_MS);
    // Renewed by the new agent: the address has outlived the lease of the old one.
    await until('the old lease to be over', START_MS, () => monotonicMs() > hit + 10_000);
    await prober.untilAnsweredBy('h1', 5000);

    const silence = prober.longestSilence(hit - 100);
    t.diagnostic(
      `MASTER again ${(master.received - hit).toFixed(0)} ms after the kill; client without answer for ${silence.toFixed(0)} ms`,
    );
    assert.ok(silence < OUTAGE_MS_MAX, `client without answer for ${silence} ms`);
    assert.deepEqual(roles(again), ['BACKUP startup', 'MASTER startup']);
    assert.deepEqual(watch.changes(hit), [], 'the address was never taken away');
    await lan.untilHolders(VIP, ['h1'], 0);
  });
});
