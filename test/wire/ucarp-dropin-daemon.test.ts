/** `carp ucarp --daemonize`: whoever starts it learns whether it is up. And Debian's ifupdown script with ours in the place of ucarp. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { CARP } from '../support/carp.ts';
import type { Child } from '../support/child.ts';
import { addingScript, calls, options, removingScript, script, start } from '../support/dropin.ts';
import { Lan, type Machine, run } from '../support/netns.ts';
import { missingForAgent, toolPath, unreadableByOthers } from '../support/requirements.ts';
import { until } from '../support/wait.ts';

const VIP = '192.0.2.100';
const START_MS = 25_000;
const skip = missingForAgent('setpriv');
const GLUE = '/etc/network/if-up.d/ucarp';
const UCARP = '/usr/sbin/ucarp';

const ended = async (child: Child): Promise<number | null> => (await child.untilExit(START_MS)).code;

/** Processes that run on a machine, by their short names. */
const running = async (lan: Lan, on: Machine): Promise<readonly string[]> => {
  const pids = (await run('ip', 'netns', 'pids', on.namespace)).split('\n').filter((line) => line !== '');
  if (pids.length === 0) return [];
  const names = await lan.exec(on, 'ps', '-o', 'comm=', '-p', pids.join()).catch(() => '');
  return names.split('\n').filter((line) => line !== '');
};

const pidOf = (file: string): number => Number(readFileSync(file, 'utf8'));

describe('carp ucarp --daemonize', { concurrency: 2 }, () => {
  test('it ends with code 0 when the daemon is up, which then has nothing of its terminal left and obeys signals', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const pidfile = join(lan.folder, 'ucarp.pid');
    // Relative names start where the command was called, although a daemon lives in /.
    const line = [
      ...options(lan, host, `--addr=${VIP}`, '-Bzn'),
      '--pidfile=ucarp.pid',
      '--pass=hush-hush',
      '--state=state',
    ];
    const parent = lan.start(host, 'carp ucarp -B', [process.execPath, CARP, 'ucarp', ...line], { cwd: lan.folder });
    assert.equal(await ended(parent), 0, parent.report());
    const pid = pidOf(pidfile);
    assert.deepEqual(await running(lan, host), ['ucarp']);
    assert.match(parent.report(), /Using \[eth0\] as a network interface/);
    await lan.untilHolders(VIP, ['h1'], START_MS);
    const [, , , , , session] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ');
    assert.equal(Number(session), pid, 'a session of its own');
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    assert.match(command, /^ucarp --interface=eth0 --srcip=192\.0\.2\.11 --vhid=7 --addr=192\.0\.2\.100/);
    assert.doesNotMatch(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /hush/);
    assert.equal(await lan.exec(host, 'readlink', `/proc/${pid}/cwd`), '/\n');
    process.kill(pid, 'SIGTERM');
    await until('the daemon to end', 8000, async () => (await running(lan, host)).length === 0);
    assert.deepEqual(calls(lan, host), [`up eth0 ${VIP}`, `down eth0 ${VIP}`]);
    assert.equal(existsSync(pidfile), false);
    assert.deepEqual(await lan.holders(VIP), []);
  });

  test('a daemon that cannot start is told with its reason and exit code, and none is left', {
    skip,
    timeout: 120_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const usual = options(lan, host, `--addr=${VIP}`, '-Bzn', `--socket=${lan.folder}/agent.sock`);
    const failures: readonly (readonly [readonly string[], number, RegExp])[] = [
      [['--interface=eth9'], 1, /there is no interface eth9\n.*ip link/],
      [['--advskew=300'], 2, /--advskew must be .* ucarp would have taken 44/],
      [[`--passfile=${lan.folder}/none`], 2, /cannot read the password from .*\/none: there is no such file/],
      [['--pass=twenty-bytes-of-it..'], 2, /the password has 20 bytes/],
      [['--upscript=/no/such/script'], 2, /there is no script \/no\/such\/script/],
      [['--pidfile=/no/such/folder/pid'], 2, /cannot write the process id/],
    ];
    for (const [more, code, message] of failures) {
      const parent = start(lan, host, 'ours', [...usual, ...more, `--state=${lan.folder}/new/state`]);
      assert.equal(await ended(parent), code, parent.report());
      assert.match(parent.stderr.map(({ text }) => text).join('\n'), message);
      await until('nothing to be left', 5000, async () => (await running(lan, host)).length === 0);
      assert.equal(existsSync(join(lan.folder, 'new')), false, `a folder is left by ${more.join()}`);
    }
    assert.deepEqual(calls(lan, host), [], 'a start that failed has called no script');
    const first = start(lan, host, 'ours', usual);
    assert.equal(await ended(first), 0, first.report());
    // ifupdown asks for it whenever the interface comes up.
    const second = start(lan, host, 'ours', usual);
    assert.equal(await ended(second), 0, second.report());
    assert.match(second.report(), /process \d+ serves vhid 7 on eth0 already, and goes on/);
    const other = start(lan, host, 'ours', [...usual, '--advskew=9']);
    assert.equal(await ended(other), 1, other.report());
    assert.match(
      other.report(),
      /process \d+ serves vhid 7 on eth0 already, with other options\n\d+ +to end it: kill \d+/,
    );
    await until('the others to have gone', 5000, async () => (await running(lan, host)).join() === 'ucarp');
    await lan.untilHolders(VIP, ['h1'], START_MS);
    assert.deepEqual(calls(lan, host), [`up eth0 ${VIP}`], 'the first goes on');
  });

  test('one that is started while its predecessor still runs its down script waits for it', {
    skip,
    timeout: 60_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const slow = script(lan, host, 'slow', `sleep 3\nexec ${removingScript(lan, host)} "$@"`);
    const line = [
      ...options(lan, host, `--addr=${VIP}`, '-zn', '--advskew=1', '--advbase=0', `--downscript=${slow}`),
      `--socket=${lan.folder}/agent.sock`,
    ];
    const one = start(lan, host, 'ours', line);
    await lan.untilHolders(VIP, ['h1'], START_MS);
    one.signal('SIGTERM');
    const two = start(lan, host, 'ours', line);
    await one.untilExit(START_MS);
    await two.untilLine(/Switching to state: MASTER/, START_MS);
    await lan.untilHolders(VIP, ['h1'], 5000);
    assert.deepEqual(calls(lan, host), [`up eth0 ${VIP}`, `slow eth0 ${VIP}`, `down eth0 ${VIP}`, `up eth0 ${VIP}`]);
  });

  test('without privileges it ends with 77 and the command that helps', {
    skip: skip || unreadableByOthers(CARP),
    timeout: 60_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const line = ['ucarp', '-i', 'eth0', '-s', host.ipv4, '-v', '7', '-p', 'secret', '-a', VIP, '-B', '-f', 'none'];
    const argv = ['setpriv', '--reuid=65534', '--clear-groups', '--inh-caps=-all', process.execPath, CARP, ...line];
    const child = lan.start(host, 'nobody', argv);
    assert.equal(await ended(child), 77, child.report());
    assert.match(child.report(), /CAP_NET_RAW/);
  });

  test('a daemon whose starter is killed before it is up ends by itself; neither has shown a password until then', {
    skip,
    timeout: 60_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    // A predecessor that is still ending holds the start up.
    const gate = join(lan.folder, 'gate');
    const slow = script(
      lan,
      host,
      'slow',
      `until [ -e ${gate} ]; do sleep 0.1; done\nexec ${removingScript(lan, host)} "$@"`,
    );
    const usual = options(lan, host, `--addr=${VIP}`, '-zn', '--pass=hush-hush', `--downscript=${slow}`);
    const one = start(lan, host, 'ours', usual);
    await lan.untilHolders(VIP, ['h1'], START_MS);
    one.signal('SIGTERM');
    await until('its down script', 8000, () => calls(lan, host).includes(`slow eth0 ${VIP}`));
    const parent = start(lan, host, 'ours', [...usual, '-B']);
    const both = async (): Promise<boolean> =>
      (await running(lan, host)).filter((name) => name === 'ucarp').length === 2;
    await until('predecessor and daemon', START_MS, both, () => parent.report());
    const pids = (await run('ip', 'netns', 'pids', host.namespace)).trim().split('\n');
    assert.doesNotMatch(await run('ps', '-o', 'args=', '-p', pids.join()), /hush/);
    parent.signal('SIGKILL');
    await parent.exited;
    await until('the daemon to end', 8000, async () => !(await both()));
    writeFileSync(gate, '');
    await one.untilExit(START_MS);
    await until('nothing to be left', 8000, async () => (await running(lan, host)).length === 0);
    assert.deepEqual(await lan.holders(VIP), []);
  });

  test('the password may come from /dev/stdin or another descriptor of whoever starts the daemon', {
    skip,
    timeout: 120_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const peer = start(lan, second, 'ours', options(lan, second, `--addr=${VIP}`, '-zn', '--pass=of-a-pipe', '-k99'));
    await lan.untilHolders(VIP, ['h2'], START_MS);
    for (const [file, redirect] of [
      ['/dev/stdin', ''],
      ['/dev/fd/3', '3<&0 </dev/null'],
    ] as const) {
      const pidfile = join(lan.folder, 'ucarp.pid');
      const line = [
        ...options(lan, first, `--addr=${VIP}`, '-BPzn', `--passfile=${file}`),
        `--pidfile=${pidfile}`,
        `--state=${lan.folder}/h1-state`,
      ];
      const shell = `printf 'of-a-pipe\\n' | { "$@" ${redirect}; }`;
      const parent = lan.start(first, file, ['sh', '-c', shell, 'sh', process.execPath, CARP, 'ucarp', ...line]);
      assert.equal(await ended(parent), 0, parent.report());
      // A peer with another password would not give way.
      await lan.untilHolders(VIP, ['h1'], START_MS);
      process.kill(pidOf(pidfile), 'SIGTERM');
      await lan.untilHolders(VIP, ['h2'], START_MS);
      await until('the daemon to end', 8000, async () => (await running(lan, first)).length === 0);
    }
    peer.signal('SIGTERM');
    assert.equal(await ended(peer), 0);
  });
});

const missingGlue =
  skip || (existsSync(GLUE) && toolPath('ucarp') === UCARP ? false : 'needs Debian’s ucarp: apt-get install ucarp');

describe('Debian’s /etc/network/if-up.d/ucarp', { concurrency: 2 }, () => {
  test('it starts ours where /usr/sbin/ucarp leads to it, with the options of /etc/network/interfaces', {
    skip: missingGlue,
    timeout: 120_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    // As dpkg-divert and a file of two lines bring it about; bind mounts of `ip netns exec` are seen by nobody else.
    const wrapper = join(lan.folder, 'ucarp');
    writeFileSync(
      wrapper,
      `#!/bin/sh\nexec ${process.execPath} ${CARP} ucarp --state=${lan.folder}/$IFACE-$IF_ADDRESS "$@"\n`,
      { mode: 0o755 },
    );
    const ifup = async (on: Machine, variables: Readonly<Record<string, string>>): Promise<void> => {
      const environment = {
        IFACE: 'eth0',
        LOGICAL: 'eth0',
        MODE: 'start',
        PHASE: 'post-up',
        IF_ADDRESS: on.ipv4,
        IF_UCARP_VID: '3',
        IF_UCARP_VIP: VIP,
        IF_UCARP_PASSWORD: 'sixteen-chars-16',
        IF_UCARP_UPSCRIPT: addingScript(lan, on),
        IF_UCARP_DOWNSCRIPT: removingScript(lan, on),
        ...variables,
      };
      const argv = ['sh', '-c', `mount --bind "$1" ${UCARP} && exec ${GLUE}`, 'sh', wrapper];
      const child = lan.start(on, 'if-up.d', argv, { env: environment });
      assert.equal(await ended(child), 0, child.report());
    };
    // The unused ones too: Debian's default scripts are `ifup eth0:ucarp`, which these replace.
    await ifup(first, { IF_UCARP_ADVSKEW: '0', IF_UCARP_ADVBASE: '1', IF_UCARP_MASTER: 'yes', IF_UCARP_XPARAM: 'x' });
    await lan.untilHolders(VIP, ['h1'], START_MS);
    // As `ifdown eth0; ifup eth0`: ucarp would have ended, ours has not, and the second call is no error.
    await run('ip', '-n', first.namespace, 'link', 'set', 'eth0', 'down');
    await lan.untilHolders(VIP, [], START_MS);
    await run('ip', '-n', first.namespace, 'link', 'set', 'eth0', 'up');
    await ifup(first, { IF_UCARP_ADVSKEW: '0', IF_UCARP_ADVBASE: '1', IF_UCARP_MASTER: 'yes', IF_UCARP_XPARAM: 'x' });
    await lan.untilHolders(VIP, ['h1'], START_MS);
    await ifup(second, { IF_UCARP_ADVSKEW: '100', IF_UCARP_DEADRATIO: '2', IF_UCARP_MASTER: 'no' });
    assert.deepEqual(await running(lan, first), ['ucarp']);
    assert.deepEqual(await running(lan, second), ['ucarp']);
    assert.deepEqual(calls(lan, first), [
      `down eth0 ${VIP} x`,
      `up eth0 ${VIP} x`,
      `down eth0 ${VIP} x`,
      `up eth0 ${VIP} x`,
    ]);
    await lan.powerOff(first);
    await until('the second to hold it', START_MS, async () => (await lan.holders(VIP)).includes('h2'));
    assert.deepEqual(calls(lan, second), [`down eth0 ${VIP}`, `up eth0 ${VIP}`]);
  });
});
