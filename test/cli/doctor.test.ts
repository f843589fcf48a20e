import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import type { Finding } from '../../src/cli/doctor-finding.ts';
import { folderFinding, nodeFinding, privilegeFindings } from '../../src/cli/doctor-machine.ts';
import { managerFindings } from '../../src/cli/doctor-managers.ts';
import { CARP, Carp, writeConfig } from '../support/carp.ts';
import { Lan, type Machine, run } from '../support/netns.ts';
import { missingForAgent, toolPath, unreadableByOthers } from '../support/requirements.ts';
import { carp } from './carp.ts';

const SECRET = 'correct-horse-19';
const START_MS = 20_000;
const skip = missingForAgent();

const folder = mkdtempSync(join(tmpdir(), 'carp-doctor-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const plant = { name: 'plant', interface: 'eth0', vhid: 10, pass: SECRET, addresses: ['192.0.2.100/24'] };

interface Diagnosis {
  readonly healthy: boolean;
  readonly findings: readonly Finding[];
}

const write = (name: string, config: object): string => {
  const file = join(folder, name);
  // JSON is YAML.
  writeFileSync(
    file,
    JSON.stringify({ socket: join(folder, 'run', 'agent.sock'), state: join(folder, 'state'), ...config }),
  );
  return file;
};

const of = ({ findings }: Diagnosis, level: Finding['level'], about: string): readonly Finding[] =>
  findings.filter((one) => one.level === level && one.about === about);

test('a simulation needs no privileges, and its diagnosis is a line for each thing that was looked at', async () => {
  const file = write('memory.yaml', { groups: [{ ...plant, transport: 'memory' }] });
  const { code, stdout, stderr } = await carp(['doctor', '-c', file]);
  assert.equal(code, 0, stdout);
  assert.equal(stderr, '');
  assert.match(stdout, /^ok {7}node {11}Node\.js \d/m);
  assert.match(stdout, /^ok {7}privileges {5}a simulation needs none$/m);
  assert.match(
    stdout,
    /^warning {2}agent {10}no agent listens on .*\n {24}try: systemctl start carp, or: carp run -c FILE$/m,
  );
  assert.ok(!stdout.includes(SECRET));
});

test('a file with mistakes and a password that is not there are missing, each with what to do, and the code is 1', async () => {
  const wrong = write('wrong.yaml', { groups: [{ ...plant, vhid: 300, advskew: 999 }] });
  const bad = await carp(['doctor', '--json', '-c', wrong]);
  assert.equal(bad.code, 1);
  const diagnosis = JSON.parse(bad.stdout) as Diagnosis;
  assert.equal(diagnosis.healthy, false);
  assert.equal(of(diagnosis, 'missing', 'configuration').length, 2);
  for (const { remedy } of of(diagnosis, 'missing', 'configuration')) assert.equal(remedy, `carp check -c ${wrong}`);

  const { pass: _pass, ...open } = plant;
  const unset = write('unset.yaml', { groups: [{ ...open, passEnv: 'CARP_NOT_SET', transport: 'memory' }] });
  const secretless = await carp(['doctor', '-c', unset]);
  assert.equal(secretless.code, 1);
  assert.match(secretless.stdout, /missing .*CARP_NOT_SET/);
});

test('an old Node.js is missing, and the oldest that will do is not', () => {
  assert.equal(nodeFinding('20.18.3').level, 'missing');
  assert.match(nodeFinding('18.20.0').remedy ?? '', /20\.19/);
  for (const version of ['20.19.0', '22.0.0', '26.1.0']) assert.equal(nodeFinding(version).level, 'ok', version);
});

test('a user without capabilities lacks them, unless another one runs the agent', () => {
  const none = 'CapEff:\t0000000000000000\n';
  const [lacking] = privilegeFindings(false, none);
  assert.equal(lacking?.level, 'missing');
  assert.match(lacking?.message ?? '', /no CAP_NET_ADMIN and no CAP_NET_RAW/);
  assert.match(
    lacking?.remedy ?? '',
    /AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN.*setcap cap_net_raw,cap_net_admin\+ep/,
  );
  assert.deepEqual(
    privilegeFindings(true, none).map(({ level }) => level),
    ['ok'],
  );
  const [half] = privilegeFindings(false, 'CapEff:\t0000000000001000\n');
  assert.match(half?.message ?? '', /^this user has no CAP_NET_RAW:/);
  assert.ok(privilegeFindings(false, 'CapEff:\t0000000000803000\n').every(({ level }) => level === 'ok'));
});

test('a folder is fine if it is writable or can be made', () => {
  assert.match(folderFinding('state', folder, 'state').message, /is writable$/);
  assert.match(folderFinding('state', join(folder, 'a', 'b'), 'state').message, /can be made$/);
  const closed = folderFinding('socket', '/proc/sys/carp', 'socket');
  assert.equal(closed.level, 'missing', 'not even root can make a folder there');
  assert.match(closed.remedy ?? '', /RuntimeDirectory=carp/);
});

describe('other daemons', () => {
  const eth0 = { name: 'eth0', index: 2 };
  const NETWORK = '/run/systemd/network/10-netplan-eth0.network';
  const look = (files: Readonly<Record<string, string>>): readonly Finding[] =>
    managerFindings(eth0, {
      read: (path) => files[path],
      list: (folder) =>
        Object.keys(files)
          .filter((path) => dirname(path) === folder)
          .map((path) => basename(path)),
    });
  const link = (more = ''): string => `ADMIN_STATE=configured\nOPER_STATE=routable\nNETWORK_FILE=${NETWORK}\n${more}`;

  test('an interface that nobody manages is fine', () => {
    for (const files of [
      {},
      {
        '/run/systemd/netif/links/2': 'ADMIN_STATE=unmanaged\n',
        '/run/NetworkManager/devices/2': '[device]\nmanaged=false\n',
      },
      { '/run/systemd/netif/links/3': link() },
    ])
      assert.deepEqual(
        look(files).map(({ level }) => level),
        ['ok'],
      );
  });

  test('systemd-networkd removes addresses with a lifetime unless it keeps all', () => {
    const files = { '/run/systemd/netif/links/2': link(), [NETWORK]: '[Match]\nName=eth0\n[Network]\nDHCP=yes\n' };
    const [plain] = look(files);
    assert.equal(plain?.level, 'warning');
    assert.match(
      plain?.remedy ?? '',
      /"KeepConfiguration=yes" into \/etc\/systemd\/network\/10-netplan-eth0\.network\.d\/carp\.conf/,
    );
    const [fixed] = look({ ...files, [NETWORK]: '[Network]\nKeepConfiguration=static\n' });
    assert.equal(fixed?.level, 'warning');
    assert.match(fixed?.remedy ?? '', /KeepConfiguration=static is not enough/);
    for (const keeps of ['yes', 'true', 'dhcp', 'dynamic'])
      assert.equal(look({ ...files, [NETWORK]: `[Network]\nKeepConfiguration=${keeps}\n` })[0]?.level, 'ok', keeps);
  });

  test('a drop-in of systemd-networkd counts more than its file, and one in /etc more than its namesakes', () => {
    const dropIn = (folder: string, name: string): string =>
      `${folder}/systemd/network/10-netplan-eth0.network.d/${name}`;
    const files = {
      '/run/systemd/netif/links/2': link(),
      [NETWORK]: '[Network]\nKeepConfiguration=no\n',
      [dropIn('/run', 'carp.conf')]: '[Network]\nKeepConfiguration=static\n',
      [dropIn('/etc', 'carp.conf')]: '[Network]\nKeepConfiguration=true\n',
    };
    assert.equal(look(files)[0]?.level, 'ok');
    assert.equal(
      look({ ...files, [dropIn('/run', 'z.conf')]: '[Network]\nKeepConfiguration=no\n' })[0]?.level,
      'warning',
    );
    assert.equal(look({ ...files, [dropIn('/run', 'a.conf')]: '[Network]\nKeepConfiguration=no\n' })[0]?.level, 'ok');
  });

  test('NetworkManager is warned of where it manages the interface', () => {
    const [found] = look({ '/run/NetworkManager/devices/2': '[device]\nmanaged=true\n' });
    assert.equal(found?.level, 'warning');
    assert.match(found?.remedy ?? '', /unmanaged-devices=interface-name:eth0/);
  });
});

/** The doctor on a machine of the lan, perhaps as another user. */
const examine = async (lan: Lan, on: Machine, file: string, ...as: readonly string[]): Promise<Diagnosis> => {
  const child = lan.start(on, 'doctor', [...as, process.execPath, CARP, 'doctor', '--json', '-c', file]);
  const { code } = await child.untilExit(START_MS);
  const text = child.stdout.map((line) => line.text).join('\n');
  assert.ok(!text.includes(SECRET));
  const diagnosis = JSON.parse(text) as Diagnosis;
  assert.equal(code, diagnosis.healthy ? 0 : 1, child.report());
  return diagnosis;
};

const lanOf = async (t: TestContext): Promise<readonly [Lan, Machine]> => {
  const lan = await Lan.create(t, 1);
  return [lan, lan.host(1)];
};

describe('the network', { concurrency: 2 }, () => {
  test('a machine that is ready is healthy; one whose link is down, and one without the interface, are not', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const [lan, host] = await lanOf(t);
    const file = writeConfig(lan, host, [plant]);
    const good = await examine(lan, host, file);
    assert.deepEqual(
      good.findings.filter(({ level }) => level === 'missing'),
      [],
    );
    assert.match(
      of(good, 'ok', 'group plant')
        .map(({ message }) => message)
        .join(),
      /sends from 192\.0\.2\.11/,
    );

    await lan.cable(host, 'down');
    const [unplugged] = of(await examine(lan, host, file), 'missing', 'eth0');
    assert.match(unplugged?.message ?? '', /no carrier/);
    await run('ip', '-n', host.namespace, 'link', 'set', 'eth0', 'multicast', 'off', 'down');
    const down = of(await examine(lan, host, file), 'missing', 'eth0');
    assert.deepEqual(
      down.map(({ message, remedy }) => [message, remedy?.split(',')[0]]),
      [
        ['it is down', 'ip link set eth0 up'],
        ['it cannot multicast', 'ip link set eth0 multicast on'],
      ],
    );

    const elsewhere = writeConfig(lan, host, [{ ...plant, interface: 'eth9' }]);
    const [absent] = of(await examine(lan, host, elsewhere), 'missing', 'eth9');
    assert.match(absent?.remedy ?? '', /interfaces here: lo, eth0/);
  });

  test('a shared address that is set for good, and a host without an address of its own, are told', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const [lan, host] = await lanOf(t);
    const file = writeConfig(lan, host, [plant]);
    await run('ip', '-n', host.namespace, 'addr', 'add', '192.0.2.100/24', 'dev', 'eth0');
    const [taken] = of(await examine(lan, host, file), 'missing', 'group plant');
    assert.equal(taken?.remedy, 'ip addr del 192.0.2.100/24 dev eth0');
    await run('ip', '-n', host.namespace, 'addr', 'flush', 'dev', 'eth0');
    const [sourceless] = of(await examine(lan, host, file), 'missing', 'group plant');
    assert.match(sourceless?.message ?? '', /eth0 has no address of its own to send from/);
  });

  test('a port of a bridge is warned of, with the name of the bridge', { skip, timeout: 90_000 }, async (t) => {
    const [lan, host] = await lanOf(t);
    await run('ip', '-n', host.namespace, 'link', 'add', 'br7', 'type', 'bridge');
    await run('ip', '-n', host.namespace, 'link', 'set', 'eth0', 'master', 'br7');
    const [port] = of(await examine(lan, host, writeConfig(lan, host, [plant])), 'warning', 'eth0');
    assert.equal(port?.remedy, 'set `interface: br7`');
  });

  test('the agent that runs is found, and a MASTER that has heard nobody is told what that may mean', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const [lan, host] = await lanOf(t);
    const agent = Carp.start(lan, host, [plant]);
    await agent.untilRole('MASTER', START_MS);
    const file = writeConfig(lan, host, [plant]);
    const diagnosis = await examine(lan, host, file);
    assert.equal(diagnosis.healthy, true, JSON.stringify(diagnosis));
    assert.match(of(diagnosis, 'ok', 'agent')[0]?.message ?? '', /^carp \S+ runs as process \d+/);
    assert.match(of(diagnosis, 'warning', 'group plant')[0]?.remedy ?? '', /IGMP/);
    assert.equal((await agent.terminate()).code, 0);
  });

  const closed = skip || unreadableByOthers(CARP);
  test('another user is told which privileges and folders are missing', {
    skip: closed || (toolPath('setpriv') === undefined && 'needs setpriv: apt-get install util-linux'),
    timeout: 90_000,
  }, async (t) => {
    const [lan, host] = await lanOf(t);
    chmodSync(lan.folder, 0o755);
    const own = join(lan.folder, 'own');
    mkdirSync(own, { mode: 0o700 });
    const outside = { ...plant, name: 'outside', vhid: 11, addresses: ['198.51.100.100/24'] };
    const file = writeConfig(lan, host, [plant, outside], { state: own });
    for (const which of ['all', 'eth0']) {
      const tee = lan.start(host, 'tee', ['tee', `/proc/sys/net/ipv4/conf/${which}/promote_secondaries`]);
      tee.write('0\n');
      assert.equal((await tee.untilExit(START_MS)).code, 0, tee.report());
    }
    const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
    const diagnosis = await examine(lan, host, file, ...nobody);
    assert.match(of(diagnosis, 'missing', 'privileges')[0]?.remedy ?? '', /-g 65534 .*setcap/);
    assert.match(of(diagnosis, 'missing', 'state')[0]?.message ?? '', /cannot write to .*own/);
    assert.match(of(diagnosis, 'missing', 'socket')[0]?.remedy ?? '', /-o 65534 -g 65534/);
    const [promotion] = of(diagnosis, 'missing', 'group outside');
    assert.equal(promotion?.remedy, 'sudo sysctl -w net.ipv4.conf.eth0.promote_secondaries=1');
    assert.deepEqual(of(diagnosis, 'missing', 'eth0'), [], 'looking needs no privileges');
    assert.deepEqual(of(await examine(lan, host, file), 'missing', 'group outside'), [], 'root can set it');
  });
});

test('carp doctor refuses what it does not know', async () => {
  const { code, stderr } = await carp(['doctor', '--fix']);
  assert.equal(code, 2);
  assert.match(stderr, /carp doctor --help/);
});
