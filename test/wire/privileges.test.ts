/**
 * The ways to run an agent as a user other than root (README, "Without root"): ambient capabilities, as systemd gives
 * them; a private copy of node that has them; and a service that unprivileged users are clients of.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CARP } from '../support/carp.ts';
import type { Child } from '../support/child.ts';
import { Lan, type Machine } from '../support/netns.ts';
import { missingForAgent, toolPath, unreadableByOthers } from '../support/requirements.ts';
import { until } from '../support/wait.ts';

const PARENT = fileURLToPath(new URL('../support/privileged-parent.js', import.meta.url));
const skip = missingForAgent('setpriv') || unreadableByOthers(CARP);
const START_MS = 20_000;

/** Ids that nobody needs to have an account for. */
const NOBODY = 65_534;
const CARP_GROUP = 64_711;
const NODE_RED = 64_712;
const STRANGER = 64_713;

const VIP = '192.0.2.100';
/** In a subnet of its own, where it is the primary address: promote_secondaries has to be set. */
const SECOND_VIP = '198.51.100.100';
const GROUP = {
  name: 'plant',
  interface: 'eth0',
  vhid: 10,
  pass: 'secret',
  addresses: [`${VIP}/24`, `${SECOND_VIP}/24`],
};

interface User {
  readonly uid: number;
  readonly gid: number;
  readonly groups?: readonly number[];
  readonly more?: readonly string[];
}

const NO_CAPABILITIES = ['--inh-caps', '-all', '--ambient-caps', '-all'];
/** What AmbientCapabilities=, CapabilityBoundingSet= and NoNewPrivileges= of the unit do. */
const AMBIENT = [
  ...['--inh-caps', '-all,+net_raw,+net_admin', '--ambient-caps', '-all,+net_raw,+net_admin'],
  ...['--bounding-set', '-all,+net_raw,+net_admin', '--no-new-privs'],
];

const as = ({ uid, gid, groups, more = NO_CAPABILITIES }: User): readonly string[] => [
  'setpriv',
  ...['--reuid', `${uid}`, '--regid', `${gid}`],
  ...(groups === undefined ? ['--clear-groups'] : ['--groups', groups.join()]),
  ...more,
];

interface Place {
  readonly lan: Lan;
  readonly host: Machine;
  /** Belongs to the user. */
  readonly folder: string;
  readonly socket: string;
  readonly state: string;
  readonly config: object;
  readonly file: string;
}

/** A host whose kernel has the default of promote_secondaries, and a folder that belongs to the user. */
const place = async (t: TestContext, { uid, gid }: User): Promise<Place> => {
  const lan = await Lan.create(t, 1);
  const host = lan.host(1);
  for (const which of ['all', 'eth0']) {
    const tee = lan.start(host, 'tee', ['tee', `/proc/sys/net/ipv4/conf/${which}/promote_secondaries`]);
    tee.write('0\n');
    assert.equal((await tee.untilExit(5000)).code, 0, tee.report());
  }
  chmodSync(lan.folder, 0o755);
  const folder = join(lan.folder, 'run');
  mkdirSync(folder);
  chmodSync(folder, 0o750);
  chownSync(folder, uid, gid);
  const [file, socket, state] = [join(lan.folder, 'carp.yaml'), join(folder, 'agent.sock'), join(folder, 'state')];
  const config = { node: 'h1', socket, state, groups: [GROUP] };
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(config), { mode: 0o644 });
  return { lan, host, folder, socket, state, config, file };
};

const carpAs = ({ lan, host }: Place, user: User, ...args: readonly string[]): Child =>
  lan.start(host, `carp ${args[0]}`, [...as(user), process.execPath, CARP, ...args]);

const text = ({ stdout, stderr }: Child): string => [...stdout, ...stderr].map((line) => line.text).join('\n');

const untilHeld = async ({ lan }: Place): Promise<void> => {
  for (const address of [VIP, SECOND_VIP]) await lan.untilHolders(address, ['h1'], START_MS);
};

/** That nothing of ours is left, and the host has kept its own. */
const requireReleased = async ({ lan, host }: Place): Promise<void> => {
  for (const address of [VIP, SECOND_VIP]) await lan.untilHolders(address, [], START_MS);
  assert.ok((await lan.addressList(host)).includes(`${host.ipv4}/24`));
};

describe('a user other than root', { concurrency: 2 }, () => {
  test('with ambient capabilities carp run becomes MASTER, holds its addresses, and releases them at SIGTERM', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const user: User = { uid: NOBODY, gid: NOBODY, more: AMBIENT };
    const here = await place(t, user);
    const agent = carpAs(here, user, 'run', '-c', here.file);
    await agent.untilLine(/ plant 10@eth0: BACKUP -> MASTER /, START_MS);
    await untilHeld(here);
    const status = readFileSync(`/proc/${agent.pid}/status`, 'utf8');
    assert.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m);
    assert.match(status, /^CapEff:\t0*3000$/m);
    agent.signal('SIGTERM');
    assert.equal((await agent.untilExit(START_MS)).code, 0, agent.report());
    await requireReleased(here);
    assert.deepEqual(agent.stderr, [], agent.report());
  });

  test('a parent without capabilities runs its agent with a private copy of node that has them', {
    skip: skip || (toolPath('setcap') === undefined && 'needs setcap: apt-get install libcap2-bin'),
    timeout: 90_000,
  }, async (t) => {
    const user: User = { uid: NOBODY, gid: NOBODY };
    const here = await place(t, user);
    const copy = privateCopy(here, NOBODY);
    if (!works(here, copy, user)) return t.skip(`needs file capabilities, which ${here.lan.folder} does not have`);
    const { state, config: host } = here;
    const argv = [process.execPath, PARENT, JSON.stringify({ state, host, execPath: copy })];

    const parent = here.lan.start(here.host, 'parent', [...as(user), ...argv]);
    await parent.untilLine(/"role":"MASTER"/, START_MS);
    assert.match(text(parent), /^\{"uid":65534,"effective":"0+"\}$/m);
    await untilHeld(here);
    parent.signal('SIGTERM');
    assert.equal((await parent.untilExit(START_MS)).code, 0, parent.report());
    await requireReleased(here);

    // Who is not in the group of the copy gets neither it nor its capabilities.
    const stranger = here.lan.start(here.host, 'stranger', [...as({ uid: STRANGER, gid: STRANGER }), ...argv]);
    const line = await stranger.untilLine(/CARP_NO_PERMISSION/, START_MS);
    assert.match(line.text, /the agent cannot be started with .*carp-node.*ls -l/);
    await stranger.stop();
  });

  test('an agent of a parent that dies without a word gives the addresses back', {
    skip: skip || (toolPath('setcap') === undefined && 'needs setcap: apt-get install libcap2-bin'),
    timeout: 90_000,
  }, async (t) => {
    const user: User = { uid: NOBODY, gid: NOBODY };
    const here = await place(t, user);
    const copy = privateCopy(here, NOBODY);
    if (!works(here, copy, user)) return t.skip(`needs file capabilities, which ${here.lan.folder} does not have`);
    const order = JSON.stringify({ state: here.state, host: here.config, execPath: copy });
    const parent = here.lan.start(here.host, 'parent', [...as(user), process.execPath, PARENT, order]);
    await untilHeld(here);
    const [, pid] = /"pid":(\d+)/.exec(text(parent)) ?? [];
    parent.signal('SIGKILL');
    await until('the agent to end', START_MS, () => !isAlive(Number(pid)));
    await requireReleased(here);
  });

  test('without capabilities carp run ends with 77, and a forked agent has a problem; both name the commands', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const user: User = { uid: NOBODY, gid: NOBODY };
    const here = await place(t, user);
    const remedy = `sudo install -D -m 0750 -g ${NOBODY} ${process.execPath} /usr/local/lib/carp/node && sudo setcap cap_net_raw,cap_net_admin+ep /usr/local/lib/carp/node`;
    const agent = carpAs(here, user, 'run', '-c', here.file);
    assert.equal((await agent.untilExit(START_MS)).code, 77, agent.report());
    assert.ok(text(agent).includes(remedy), agent.report());
    assert.ok(text(agent).includes('AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN'), agent.report());

    const order = JSON.stringify({ state: here.state, host: here.config });
    const parent = here.lan.start(here.host, 'parent', [...as(user), process.execPath, PARENT, order]);
    const { text: problem } = await parent.untilLine(/"problem":/, START_MS);
    assert.equal(JSON.parse(problem).problem.code, 'CARP_NO_PERMISSION');
    assert.ok(JSON.parse(problem).problem.remedy.includes(remedy), problem);
    await parent.stop();
    await requireReleased(here);
  });

  test('one capability of the two is not enough', { skip, timeout: 90_000 }, async (t) => {
    for (const one of ['net_raw', 'net_admin']) {
      const more = ['--inh-caps', `-all,+${one}`, '--ambient-caps', `-all,+${one}`];
      const user: User = { uid: NOBODY, gid: NOBODY, more };
      const here = await place(t, user);
      const agent = carpAs(here, user, 'run', '-c', here.file);
      assert.equal((await agent.untilExit(START_MS)).code, 77, agent.report());
    }
  });

  test('the socket of a service is open to its group and to nobody else', { skip, timeout: 90_000 }, async (t) => {
    const service: User = { uid: NOBODY, gid: CARP_GROUP, more: AMBIENT };
    const here = await place(t, service);
    const agent = carpAs(here, service, 'run', '-c', here.file);
    await agent.untilLine(/ plant 10@eth0: BACKUP -> MASTER /, START_MS);
    const { mode, uid, gid } = statSync(here.socket);
    assert.deepEqual([mode & 0o777, uid, gid], [0o660, NOBODY, CARP_GROUP]);

    const member = carpAs(here, { uid: NODE_RED, gid: NODE_RED, groups: [CARP_GROUP] }, 'status', '-c', here.file);
    assert.equal((await member.untilExit(START_MS)).code, 0, member.report());
    assert.match(text(member), /carp: MASTER vhid 10/);

    const stranger = carpAs(here, { uid: STRANGER, gid: STRANGER }, 'status', '--socket', here.socket);
    const refused = await stranger.untilExit(START_MS);
    assert.equal(refused.code, 77, stranger.report());
    assert.match(text(stranger), /the agent's socket .* may not be opened by this user\n.*join the group that owns it/);

    // The folder is the second fence: without it the socket's own mode has to do.
    chmodSync(here.folder, 0o755);
    const nearer = carpAs(here, { uid: STRANGER, gid: STRANGER }, 'status', '--socket', here.socket);
    assert.equal((await nearer.untilExit(START_MS)).code, 77, nearer.report());
    agent.signal('SIGTERM');
    assert.equal((await agent.untilExit(START_MS)).code, 0, agent.report());
    await requireReleased(here);
  });
});

/** A copy of node with capabilities for one group, as the README says. Ownership first: chown takes capabilities away. */
const privateCopy = ({ lan }: Place, gid: number): string => {
  const copy = join(lan.folder, 'carp-node');
  copyFileSync(process.execPath, copy);
  chownSync(copy, 0, gid);
  chmodSync(copy, 0o750);
  try {
    execFileSync(toolPath('setcap') ?? '', ['cap_net_raw,cap_net_admin+ep', copy], { stdio: 'ignore' });
  } catch {
    // Told by `works`.
  }
  return copy;
};

/** Not on every file system: a nosuid one ignores capabilities, and others do not store them. */
const works = ({ host }: Place, copy: string, user: User): boolean => {
  const script = 'process.stdout.write(require("node:fs").readFileSync("/proc/self/status"))';
  const argv = ['netns', 'exec', host.namespace, ...as(user), copy, '-e', script];
  try {
    return /^CapEff:\t0*3000$/m.test(
      execFileSync('ip', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    );
  } catch {
    return false;
  }
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
