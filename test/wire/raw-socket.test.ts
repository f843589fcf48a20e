/** What is particular about groups whose adverts go through raw-socket; what is not is tested in ours-with-….test.ts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Capture } from '../support/capture.ts';
import { Carp, type GroupText } from '../support/carp.ts';
import { Lan } from '../support/netns.ts';
import { missingForAgent, missingRawSocket } from '../support/requirements.ts';

const VIP = '192.0.2.100';
const skip = missingForAgent('tcpdump') || missingRawSocket();
const START_MS = 15_000;

const plant = (advskew: number, more: GroupText = {}): GroupText => ({
  name: 'plant',
  interface: 'eth0',
  vhid: 10,
  pass: 'secret',
  addresses: [`${VIP}/24`],
  transport: 'raw-socket',
  advskew,
  ...more,
});

describe('raw-socket', { concurrency: 2 }, () => {
  for (const transport of ['koffi', 'raw-socket'])
    test(`a BACKUP that was frozen reads, through ${transport}, what has arrived before it takes over`, {
      skip,
      timeout: 60_000,
    }, async (t) => {
      const lan = await Lan.create(t, 2);
      const [first, second] = [lan.host(1), lan.host(2)];
      const capture = await Capture.start(lan);
      const one = Carp.start(lan, first, [plant(0)]);
      await one.untilRole('MASTER', START_MS);
      const two = Carp.start(lan, second, [plant(100, { transport })]);
      await two.untilRole('BACKUP', START_MS);
      await capture.untilAdverts(first, 3, START_MS);

      two.child.signal('SIGSTOP');
      // Four seconds: more than its master-down time of 3.4 s, and not so much more that it was to listen anew anyway.
      await capture.untilAdverts(first, 4, START_MS);
      two.child.signal('SIGCONT');
      await capture.untilAdverts(first, 3, START_MS);

      assert.equal(two.role(), 'BACKUP', two.child.report());
      assert.deepEqual(
        two.transitions().filter(({ event }) => event.role !== 'BACKUP'),
        [],
        two.child.report(),
      );
      assert.deepEqual(capture.advertsOf(second), [], 'it has not even claimed');
    });

  test('a host with koffi and one with raw-socket take over from each other, over both families', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const capture = await Capture.start(lan);
    const both = { addresses: [`${VIP}/24`, '2001:db8::64/64'] };
    const one = Carp.start(lan, first, [plant(0, { ...both, transport: 'koffi' })]);
    await one.untilRole('MASTER', START_MS);
    const two = Carp.start(lan, second, [plant(100, { ...both, checkTtl: 'ipv4' })]);
    await two.untilRole('BACKUP', START_MS);
    // A BACKUP obeys the farewell of a MASTER that it knows: in each family one more advert than it may have missed.
    await capture.untilAdverts(first, 4, START_MS);
    assert.equal((await one.terminate()).code, 0);
    assert.equal((await two.untilRole('MASTER', 2000)).event.reason, 'bow-out-heard');
    for (const address of [VIP, '2001:db8::64']) await lan.untilHolders(address, ['h2'], 2000);

    const again = Carp.start(lan, first, [plant(0, { ...both, transport: 'koffi' })]);
    await again.untilRole('BACKUP', START_MS);
    await lan.powerOff(second);
    assert.equal((await again.untilRole('MASTER', START_MS)).event.reason, 'master-timeout');
    await lan.untilHolders(VIP, ['h1'], 5000);
  });

  test('unicast peers hear each other, and nothing is sent to the group', { skip, timeout: 60_000 }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const capture = await Capture.start(lan);
    const one = Carp.start(lan, first, [plant(0, { peers: [second.ipv4] })]);
    await one.untilRole('MASTER', START_MS);
    const two = Carp.start(lan, second, [plant(100, { peers: [first.ipv4] })]);
    await two.untilRole('BACKUP', START_MS);
    await capture.untilAdverts(first, 5, START_MS);
    assert.equal(two.role(), 'BACKUP', two.child.report());
    assert.deepEqual(
      capture.advertsOf(first).filter(({ destination, ttl }) => destination !== second.ipv4 || ttl !== 255),
      [],
    );
    await lan.powerOff(first);
    await two.untilRole('MASTER', START_MS);
    await lan.untilHolders(VIP, ['h2'], 5000);
  });
});
