/** Hooks and checks of a real host: what they find when they run, and that adverts do not wait for them. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Capture } from '../support/capture.ts';
import { CARP, Carp, type GroupText } from '../support/carp.ts';
import { Lan } from '../support/netns.ts';
import { missingForAgent } from '../support/requirements.ts';
import { monotonicMs, until } from '../support/wait.ts';
import { writtenLines as lines } from '../support/written-lines.ts';

const VIP = '192.0.2.100';
const skip = missingForAgent('tcpdump');
const START_MS = 20_000;
const NOISE_MS = 250;

const plant = (more: GroupText): GroupText => ({
  name: 'plant',
  interface: 'eth0',
  vhid: 10,
  pass: 'secret',
  addresses: [`${VIP}/24`],
  ...more,
});

/** A hook that appends its name, its arguments, its role and whether this machine has the address then. */
const telling = (file: string): readonly string[] => {
  const script = `
    const { appendFileSync } = require('node:fs');
    const held = Object.values(require('node:os').networkInterfaces()).flat().some(({ address }) => address === '${VIP}');
    const { CARP_ROLE, CARP_PREVIOUS, CARP_SUBSYSTEM } = process.env;
    const [name, ...args] = process.argv.slice(1);
    appendFileSync(${JSON.stringify(file)}, [name, ...args, CARP_SUBSYSTEM, CARP_PREVIOUS, CARP_ROLE, held].join(' ') + '\\n');`;
  return [process.execPath, '-e', script, '--'];
};

const statusOf = async (lan: Lan, on: Lan['hosts'][number]) => {
  const socket = join(lan.folder, on.name, 'agent.sock');
  const text = await lan.exec(on, process.execPath, CARP, 'status', '--json', '--socket', socket);
  const { hosts } = JSON.parse(text) as { hosts: { groups: Record<string, unknown>[] }[] };
  return hosts[0]?.groups[0];
};

describe('hooks and checks', { concurrency: 2 }, () => {
  test('up finds the addresses, down and change run after their release, also at an orderly end', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const file = join(lan.folder, 'told');
    const hook = telling(file);
    const hooks = { up: [...hook, 'up'], down: [...hook, 'down'], change: [...hook, 'change'] };
    const carp = Carp.start(lan, host, [plant({ hooks })]);
    await carp.untilRole('MASTER', START_MS);
    await until('change as MASTER', START_MS, () =>
      lines(file).some((line) => line.startsWith('change 10@eth0 MASTER')),
    );
    const runs = (await statusOf(lan, host))?.['hooks'] as { hook: string; outcome: string; code: number }[];
    assert.deepEqual(
      runs.slice(0, 2).map(({ hook: name, outcome, code }) => [name, outcome, code]),
      [
        ['change', 'exited', 0],
        ['up', 'exited', 0],
      ],
    );
    const told = monotonicMs();
    const exit = await carp.terminate(15_000);
    t.diagnostic(`ended ${(exit.at - told).toFixed(0)} ms after SIGTERM, with two last hooks`);
    assert.equal(exit.code, 0, carp.child.report());
    const last = carp.transitions().at(-1)?.event.role;
    assert.deepEqual(lines(file), [
      'change 10@eth0 BACKUP 10@eth0 INIT BACKUP false',
      'up 10@eth0 BACKUP MASTER true',
      'change 10@eth0 MASTER 10@eth0 BACKUP MASTER true',
      `down 10@eth0 MASTER ${last} false`,
      `change 10@eth0 ${last} 10@eth0 MASTER ${last} false`,
    ]);
  });

  test('a hook that hangs delays no advert, is ended at its timeout, and a last one that hangs is killed after 5 s', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const hang = [
      process.execPath,
      '-e',
      'process.on("SIGTERM", () => {}); console.log("holds on"); setInterval(() => {}, 1000)',
    ];
    const capture = await Capture.start(lan);
    const carp = Carp.start(lan, host, [plant({ hooks: { up: hang, down: hang, timeout: 3 } })]);
    await carp.child.untilLine(/hook up .*timeout.*holds on/, START_MS);
    const times = capture.advertsOf(host).map(({ at }) => at);
    const late = Math.max(...times.slice(1).map((at, i) => at - (times[i] ?? at))) - 1000;
    t.diagnostic(`the worst advert beside a hanging hook was ${late.toFixed(1)} ms late`);
    assert.ok(times.length >= 3 && late < NOISE_MS, `${times.length} adverts, ${late} ms late`);
    const told = monotonicMs();
    const exit = await carp.terminate(15_000);
    const took = exit.at - told;
    assert.equal(exit.code, 0, carp.child.report());
    assert.ok(took > 2500 && took < 8000, `ended after ${took} ms`);
    assert.match(await lan.exec(host, 'ip', 'netns', 'pids', host.namespace), /^\s*\d*\s*$/, 'no hook is left');
  });

  test('a check that fails demotes its group with its name, and a better one takes it back', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const flag = join(lan.folder, 'well');
    writeFileSync(flag, '');
    const check = { name: 'flag', command: ['cat', flag], every: 0.5, rise: 2, fall: 2, weight: 240 };
    const one = Carp.start(lan, first, [plant({ track: [check], preempt: true })]);
    await one.untilRole('MASTER', START_MS);
    const two = Carp.start(lan, second, [plant({ advskew: 100 })]);
    await two.untilRole('BACKUP', START_MS);
    rmSync(flag);
    const lost = await one.untilRole('BACKUP', START_MS);
    assert.equal(lost.event.reason, 'demoted');
    await two.untilRole('MASTER', START_MS);
    const ledger = (await statusOf(lan, first))?.['ledger'] as { reason: string; weight: number }[];
    assert.deepEqual(
      ledger.map(({ reason, weight }) => [reason, weight]),
      [['track flag', 240]],
    );
    writeFileSync(flag, '');
    await one.untilRole('MASTER', START_MS);
    assert.deepEqual((await statusOf(lan, first))?.['ledger'], []);
  });
});
