/** Ours and Debian's ucarp in one group: each understands the other, whoever was first and whoever fails. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Capture } from '../support/capture.ts';
import { Carp, type GroupText } from '../support/carp.ts';
import type { Child } from '../support/child.ts';
import { Lan, type Machine, run } from '../support/netns.ts';
import { missingForAgent, missingRawSocket } from '../support/requirements.ts';
import { startUcarp } from '../support/ucarp.ts';

const VIP = '192.0.2.100';
const skipped = missingForAgent('ucarp', 'tcpdump');
const TRANSPORTS = [
  { transport: 'koffi', skip: skipped },
  { transport: 'raw-socket', skip: skipped || missingRawSocket() },
] as const;
const START_MS = 15_000;
/** ucarp waits up to two seconds longer than its master-down time (its timer and its packet buffer are coarse). */
const UCARP_MS = 15_000;

const group = (transport: string, vhid: number, advskew: number, address: string): GroupText => ({
  transport,
  name: `group${vhid}`,
  interface: 'eth0',
  vhid,
  pass: 'secret',
  addresses: [`${address}/32`],
  advskew,
});

const understands = (ucarp: Child): void => {
  assert.equal(ucarp.line(/Bad (digest|TTL|version|IP checksum)/), undefined, ucarp.report());
};

/** What a reboot does to the address that ucarp's script added. */
const forget = (on: Machine): Promise<unknown> =>
  run('ip', '-n', on.namespace, 'addr', 'del', `${VIP}/32`, 'dev', 'eth0');

// Each test has a LAN of its own and mostly waits; more at a time would disturb the measurements.
for (const { transport, skip } of TRANSPORTS)
  describe(`ours, through ${transport}, and ucarp`, { concurrency: 2 }, () => {
    const ours = (vhid: number, advskew: number, address = VIP): GroupText => group(transport, vhid, advskew, address);

    test('ours and ucarp take over from each other, after a crash and after an orderly stop', {
      skip,
      timeout: 150_000,
    }, async (t) => {
      const lan = await Lan.create(t, 2);
      const [first, second] = [lan.host(1), lan.host(2)];
      const capture = await Capture.start(lan);
      const startOurs = (): Carp => Carp.start(lan, first, [ours(7, 0)]);
      const startTheirs = (): Child => startUcarp(lan, second, { vhid: 7, pass: 'secret', address: VIP, advskew: 20 });

      let carp = startOurs();
      await carp.untilRole('MASTER', START_MS);
      let ucarp = startTheirs();
      // Two seconds longer than the master-down time of ucarp: it accepts our adverts.
      await capture.untilAdverts(first, 6, UCARP_MS);
      assert.deepEqual(await lan.holders(VIP), ['h1']);
      understands(ucarp);

      await lan.powerOff(first);
      await ucarp.untilLine(/Switching to state: MASTER/, UCARP_MS);
      await lan.untilHolders(VIP, ['h2'], 5000);

      await lan.unsilence(first);
      carp = startOurs();
      await carp.untilRole('BACKUP', START_MS);
      await capture.untilAdverts(second, 5, UCARP_MS);
      assert.equal(carp.role(), 'BACKUP', `a recovered host of ours stays passive beside ucarp${carp.child.report()}`);
      understands(ucarp);

      ucarp.signal('SIGTERM');
      await ucarp.untilExit(5000);
      assert.equal((await carp.untilRole('MASTER', START_MS)).event.reason, 'master-timeout');
      await lan.untilHolders(VIP, ['h1'], 2000);

      ucarp = startTheirs();
      await capture.untilAdverts(first, 6, UCARP_MS);
      assert.deepEqual(await lan.holders(VIP), ['h1']);
      assert.equal((await carp.terminate()).code, 0);
      await ucarp.untilLine(/Switching to state: MASTER/, UCARP_MS);
      await lan.untilHolders(VIP, ['h2'], 3000);
      understands(ucarp);

      carp = startOurs();
      await carp.untilRole('BACKUP', START_MS);
      await capture.untilAdverts(second, 3, UCARP_MS);
      await lan.powerOff(second);
      await carp.untilRole('MASTER', START_MS);
      await forget(second);
      await lan.untilHolders(VIP, ['h1'], 2000);
    });

    test('ucarp that was first stays MASTER beside ours, and ours takes over when it dies', {
      skip,
      timeout: 90_000,
    }, async (t) => {
      const lan = await Lan.create(t, 2);
      const [first, second] = [lan.host(1), lan.host(2)];
      const capture = await Capture.start(lan);
      const ucarp = startUcarp(lan, first, { vhid: 7, pass: 'secret', address: VIP, advskew: 0 });
      await lan.untilHolders(VIP, ['h1'], UCARP_MS);
      const carp = Carp.start(lan, second, [ours(7, 100)]);
      await carp.untilRole('BACKUP', START_MS);
      await capture.untilAdverts(first, 5, UCARP_MS);
      assert.equal(carp.role(), 'BACKUP');
      understands(ucarp);
      await lan.powerOff(first);
      await carp.untilRole('MASTER', START_MS);
      await forget(first);
      await lan.untilHolders(VIP, ['h2'], 2000);
    });

    test('after a healed partition ours and ucarp agree on the better host, and on the lower address among equals', {
      skip,
      timeout: 120_000,
    }, async (t) => {
      const lan = await Lan.create(t, 3);
      const [low, middle, high] = [lan.host(1), lan.host(2), lan.host(3)];
      const cases = [
        {
          title: 'ours is better',
          vhid: 1,
          address: '192.0.2.101',
          ourSkew: 0,
          theirs: high,
          theirSkew: 100,
          winner: 'h2',
        },
        {
          title: 'ucarp is better',
          vhid: 2,
          address: '192.0.2.102',
          ourSkew: 100,
          theirs: high,
          theirSkew: 0,
          winner: 'h3',
        },
        {
          title: 'equal, ours is lower',
          vhid: 3,
          address: '192.0.2.103',
          ourSkew: 50,
          theirs: high,
          theirSkew: 50,
          winner: 'h2',
        },
        {
          title: 'equal, ucarp is lower',
          vhid: 4,
          address: '192.0.2.104',
          ourSkew: 50,
          theirs: low,
          theirSkew: 50,
          winner: 'h1',
        },
      ];
      await lan.silence(middle);
      const carp = Carp.start(
        lan,
        middle,
        cases.map(({ vhid, ourSkew, address }) => ours(vhid, ourSkew, address)),
      );
      const ucarps = cases.map(({ vhid, address, theirs, theirSkew }) =>
        startUcarp(lan, theirs, { vhid, pass: 'secret', address, advskew: theirSkew }),
      );
      for (const { vhid, address, theirs } of cases) {
        await carp.untilRole('MASTER', START_MS, `group${vhid}`);
        await lan.untilHolders(
          address,
          lan.hosts.map(({ name }) => name).filter((name) => name === 'h2' || name === theirs.name),
          UCARP_MS,
        );
      }

      const capture = await Capture.start(lan);
      await lan.unsilence(middle);
      for (const { address, winner } of cases) await lan.untilHolders(address, [winner], 10_000);
      // They agreed, and it stays so.
      await capture.untilAdverts(middle, 6, UCARP_MS);
      for (const { title, address, winner } of cases) assert.deepEqual(await lan.holders(address), [winner], title);
      for (const ucarp of ucarps) understands(ucarp);
    });
  });
