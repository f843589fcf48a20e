/** What each profile looks like on a real wire. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Capture } from '../support/capture.ts';
import { Carp } from '../support/carp.ts';
import { Lan } from '../support/netns.ts';
import { missingForAgent } from '../support/requirements.ts';
import { until } from '../support/wait.ts';

const PROFILES = [
  { vhid: 1, compatibility: 'auto', tos: [0x10, 0x10] },
  { vhid: 2, compatibility: 'freebsd', tos: [0xe0, 0xe0] },
  { vhid: 3, compatibility: 'openbsd', tos: [0x10, 0] },
  { vhid: 4, compatibility: 'netbsd', tos: [0x10, 0] },
  { vhid: 5, compatibility: 'auto', dscp: 46, tos: [0xb8, 0xb8] },
  { vhid: 6, compatibility: 'openbsd', dscp: 0, tos: [0, 0] },
] as const;

const BYTE_4 = 4;

for (const addressing of ['interface', 'virtual-mac'])
  test(`with addressing ${addressing} TOS, traffic class and byte 4 leave as the profile says, and demotion changes them`, {
    skip: missingForAgent('tcpdump'),
    timeout: 60_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const capture = await Capture.start(lan);
    const groups = PROFILES.map(({ tos: _, vhid, ...profile }) => ({
      ...profile,
      name: `group ${vhid}`,
      interface: 'eth0',
      vhid,
      pass: 'secret',
      addresses: [`192.0.2.${100 + vhid}/24`, `2001:db8::1:${vhid}/64`],
      addressing,
      track: [{ name: 'failing', command: ['false'], every: 0.2, fall: 1, weight: 7 }],
    }));
    Carp.start(lan, host, groups);
    const seen = (vhid: number, family: number) =>
      capture.advertsOf(host).filter((advert) => advert.vhid === vhid && advert.family === family);
    for (const { vhid, tos, compatibility } of PROFILES)
      for (const [i, family] of [4, 6].entries()) {
        await until(`a demoted advert of ${compatibility} over IPv${family}`, 15_000, () =>
          seen(vhid, family).some(({ payload, advskew }) => advskew === 7 || payload[BYTE_4] === 7),
        );
        const last = seen(vhid, family).at(-1);
        assert.deepEqual([last?.tos, last?.ttl], [tos[i], 255], `${compatibility} over IPv${family}`);
        const expected = compatibility === 'openbsd' ? [0, 7] : [7, 0];
        assert.deepEqual([last?.advskew, last?.payload[BYTE_4]], expected, `${compatibility} over IPv${family}`);
      }
  });
