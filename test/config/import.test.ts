import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { IMPORT_SYSTEMS, type Imported, type ImportSystem, importConfig } from '../../src/config/import/import.ts';
import { parseConfig } from '../../src/config/parse.ts';
import type { GroupConfig } from '../../src/config/types.ts';
import { readText } from '../../src/config/yaml.ts';

const VECTORS = new URL('../../../test/vectors/import/', import.meta.url);

const vector = (name: string): { readonly name: string; readonly text: string } => ({
  name,
  text: readFileSync(new URL(name, VECTORS), 'utf8'),
});

/** The files of one host each, with every password that is in them. */
const HOSTS: readonly {
  readonly system: ImportSystem;
  readonly files: readonly string[];
  readonly passwords: readonly string[];
}[] = [
  { system: 'ucarp', files: ['ucarp-script.sh'], passwords: ['two words', 'third'] },
  { system: 'ucarp', files: ['ucarp.service'], passwords: ['se cret'] },
  { system: 'ucarp', files: ['interfaces'], passwords: ['16charsatmost', 'ander5'] },
  {
    system: 'rc.conf',
    files: ['rc.conf', 'sysctl.conf'],
    passwords: ['secret', 'averylongpasswordin', 'averylongpasswordindeed', 'ander5'],
  },
  { system: 'rc.conf', files: ['rc.conf-9'], passwords: ['secret'] },
  { system: 'hostname.if', files: ['hostname.carp0', 'hostname.carp1'], passwords: ['se cret', 'cret"', 'ander5'] },
  { system: 'keepalived', files: ['keepalived.conf'], passwords: ['12345678', '1234567890'] },
];

const inline = (system: ImportSystem, ...files: readonly string[]): Imported =>
  importConfig(system, files.map(vector), { type: 'inline' });

const importText = (system: ImportSystem, text: string, name = '-'): Imported =>
  importConfig(system, [{ name, text }], { type: 'inline' });

/** What our own parser makes of it. */
const groupsOf = ({ yaml }: Imported): readonly GroupConfig[] => {
  // A file with the password that is named in the source is not here.
  const read = readText(yaml.replaceAll(/^ +passfile: .*$/gm, ''));
  assert.ok(read.ok, yaml);
  const parsed = parseConfig(read.value, { environment: {} });
  assert.ok(parsed.ok, JSON.stringify(parsed.ok || parsed.errors));
  return parsed.config.groups;
};

const only = (imported: Imported): GroupConfig => {
  const [group, ...others] = groupsOf(imported);
  assert.ok(group);
  assert.equal(others.length, 0);
  return group;
};

/** The comment that is about this line. */
const assertRemark = ({ yaml }: Imported, pattern: RegExp): void => {
  const comments = yaml.split('\n').filter((line) => line.trimStart().startsWith('#'));
  assert.match(comments.join('\n'), pattern);
};

for (const { system, files, passwords } of HOSTS) {
  const sources = files.map(vector);

  test(`${files.join(' and ')}: our own parser accepts what is printed, with its passwords`, () => {
    const imported = importConfig(system, sources, { type: 'inline' });
    assert.equal(groupsOf(imported).length, imported.groups);
    assert.ok(imported.groups > 0);
  });

  test(`${files.join(' and ')}: no password is printed unless that is asked for`, () => {
    const { yaml, passwordFiles, remarks, disabled } = importConfig(system, sources, { type: 'files', folder: '/x' });
    for (const password of passwords)
      for (const text of [yaml, ...remarks, JSON.stringify(disabled)])
        assert.ok(!text.includes(password), `a password is in ${text}`);
    assert.doesNotMatch(yaml, /^\s*pass:/m);
    for (const { file, password } of passwordFiles) {
      assert.ok(yaml.includes(`passfile: ${file}\n`));
      assert.ok(passwords.includes(password));
    }
  });
}

test('what is not understood stands in a comment with its line', () => {
  assertRemark(inline('ucarp', 'interfaces'), /line 16: ucarp-color is no option/);
  assertRemark(inline('rc.conf', 'rc.conf'), /line 11: not understood: .* pass \*\*\* .* shiny/);
  assertRemark(inline('hostname.if', 'hostname.carp0'), /line 10: not understood: frobnicate 7/);
  assertRemark(inline('keepalived', 'keepalived.conf'), /line 77: frobnicate 7/);
  assertRemark(inline('rc.conf', 'rc.conf'), /lines that are not about shared addresses were left out: 1-4, 7/);
});

test('a script that starts ucarp is read with its variables, continuation lines and quotes', () => {
  const [first, second] = groupsOf(inline('ucarp', 'ucarp-script.sh'));
  assert.ok(first && second);
  const { vhid, pass, addresses, source, advskew, preempt, addressing, compatibility, hooks } = first;
  assert.deepEqual(
    { vhid, pass, addresses, source, advskew, preempt, addressing, compatibility },
    {
      vhid: 1,
      pass: 'two words',
      addresses: ['192.0.2.100/32'],
      source: '192.0.2.11',
      advskew: 16,
      preempt: true,
      addressing: 'manual',
      compatibility: 'ucarp',
    },
  );
  // As ucarp calls them: interface, address, and the parameter as one word.
  assert.deepEqual(hooks?.up, ['/etc/ucarp/up.sh', 'eth0', '192.0.2.100', 'eth0 label']);
  assert.deepEqual([second.advskew, second.broadcast, second.ignoreLink, second.deadratio], [44, true, true, 5]);
  assertRemark(inline('ucarp', 'ucarp-script.sh'), /-k 300: ucarp keeps eight bits .* 44/);
});

test('what a script tells only when it runs is said, and the group without its number stands as a comment', () => {
  const imported = inline('ucarp', 'ucarp-script.sh');
  assert.equal(imported.groups, 2);
  assert.deepEqual(
    imported.disabled.map(({ why }) => why),
    ['the file does not tell its vhid (-v)'],
  );
  assertRemark(imported, /-v: the value of \$VID is known only when the script runs/);
  assertRemark(imported, /inside of a condition/);
});

for (const [title, line, expected] of [
  ['joined values', 'ucarp -ieth1 -v7 -pabc -a192.0.2.1 -k5', { interface: 'eth1', vhid: 7, pass: 'abc', advskew: 5 }],
  ['a cluster of flags', 'ucarp -i eth1 -v 7 -p a -a 192.0.2.1 -PBzM', { preempt: true, broadcast: true }],
  ['beginnings of long names', 'ucarp --int=eth1 --vh 7 --pass a --addr=192.0.2.1 --advb=2', { vhid: 7, advbase: 2 }],
  ['another multicast group', 'ucarp -i e -v 7 -p a -a 192.0.2.1 --mcast 239.1.2.3', { multicast: '239.1.2.3' }],
  ['a file with the password', 'ucarp -i e -v 7 -o /etc/x -a 192.0.2.1', { vhid: 7 }],
  ['a line of ps', ' 812 ?  Ss 0:01 /usr/sbin/ucarp -i e -v 7 -p a -a 192.0.2.1', { vhid: 7 }],
  [
    'start-stop-daemon',
    'start-stop-daemon --start --exec /usr/sbin/ucarp -- -i e -v 7 -p a -a 192.0.2.1 >/dev/null 2>&1',
    { vhid: 7, interface: 'e' },
  ],
  ['a variable that is several words', 'O="-i e -v 7 -p a"\nucarp $O -a 192.0.2.1', { interface: 'e', pass: 'a' }],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is one of the shell.
  ['a default', 'ucarp -i ${IF:-eth5} -v 7 -p a -a 192.0.2.1', { interface: 'eth5' }],
] as const)
  test(`ucarp's options are read as getopt_long reads them: ${title}`, () => {
    const imported = importConfig('ucarp', [{ name: '-', text: line }], { type: 'inline' });
    if (line.includes('-o /etc/x')) {
      // Our parser would look for the file.
      assert.match(imported.yaml, /passfile: \/etc\/x/);
      return;
    }
    const group = only(imported);
    for (const [key, value] of Object.entries(expected)) assert.deepEqual(group[key as keyof GroupConfig], value, key);
  });

test('a value that a script chooses when it runs is told where it stands, and a password is not shown for that', () => {
  const imported = importText(
    'ucarp',
    [
      'SKEW=10',
      'PREEMPT=-P',
      'PASS=hush-one',
      'if [ "$(hostname)" = b ]; then SKEW=100; PREEMPT=; PASS=hush-two; fi',
      'OPTS="-s 192.0.2.2 -k $SKEW"',
      'ucarp -i eth0 -v 1 -p "$PASS" -a 192.0.2.9 $OPTS $PREEMPT',
    ].join('\n'),
  );
  assert.equal(only(imported).advskew, 100);
  assert.match(imported.yaml, /# -k: the variable SKEW has several values .*\(10, 100\).*\n +advskew: 100\n/);
  assertRemark(imported, /-p: the variable PASS has several values in this script: this is/);
  // The word that it would be is not there.
  assertRemark(imported, /^# the variable PREEMPT has several values/m);
  assert.doesNotMatch(imported.yaml, /^ *#.*hush/m);
  const plain = importText('ucarp', 'SKEW=10\nucarp -i eth0 -v 1 -p x -a 192.0.2.9 -k $SKEW');
  assert.doesNotMatch(plain.yaml, /several/);
});

test('a passfile that is imported says what becomes of a carriage return in it', () => {
  const { yaml } = importText('ucarp', 'ucarp -i e -v 7 -o /etc/x -a 192.0.2.1');
  assert.match(yaml, /# A carriage return .*is a part of the password for ucarp(.*\n)+? +passfile: \/etc\/x\n/);
});

test('programs that only name ucarp start none', () => {
  const text = 'pkill ucarp\nif [ -x /usr/sbin/ucarp ]; then echo ucarp -v 1; fi\nwhich ucarp\n';
  assert.equal(importText('ucarp', text).groups, 0);
});

test("Debian's stanzas become groups as the package's script reads them", () => {
  const [first, second] = groupsOf(inline('ucarp', 'interfaces'));
  assert.ok(first && second);
  const { interface: device, vhid, addresses, source, advskew, preempt, broadcast, addressing, hooks } = first;
  assert.deepEqual(
    { device, vhid, addresses, source, advskew, preempt, broadcast, addressing, hooks },
    {
      device: 'eth0',
      vhid: 3,
      addresses: ['10.0.0.1/32'],
      source: '10.0.0.2',
      advskew: 20,
      preempt: true,
      broadcast: false,
      // Its own scripts do nothing but add and remove the address.
      addressing: 'interface',
      hooks: undefined,
    },
  );
  assert.deepEqual([second.interface, second.vhid, second.addressing], ['eth1', 4, 'manual']);
});

test('a systemd unit is read with its variables, and specifiers are not guessed', () => {
  const group = only(inline('ucarp', 'ucarp.service'));
  assert.deepEqual([group.vhid, group.pass, group.multicast], [10, 'se cret', '239.192.0.7']);
  const text = '[Service]\nExecStart=/usr/sbin/ucarp -i %I -v 3 -p a -a 192.0.2.1\n';
  assertRemark(importText('ucarp', text), /-i: the value of %I is known only/);
});

test('FreeBSD: lines of one vhid become one group with all addresses, ranges and both families', () => {
  const [first, second, third] = groupsOf(inline('rc.conf', 'rc.conf', 'sysctl.conf'));
  assert.ok(first && second && third);
  assert.deepEqual(first.addresses, ['192.0.2.100/32', '192.0.2.101/32', '2001:db8::100/64']);
  const { interface: device, vhid, pass, advskew, preempt, dscp, compatibility } = first;
  assert.deepEqual(
    { device, vhid, pass, advskew, preempt, dscp, compatibility },
    { device: 'em0', vhid: 1, pass: 'secret', advskew: 100, preempt: true, dscp: 46, compatibility: 'freebsd' },
  );
  assert.deepEqual(second.addresses, [
    '192.0.2.1/24',
    '192.0.2.2/32',
    '192.0.2.3/32',
    '2001:db8::e/64',
    '2001:db8::f/128',
    '2001:db8::10/128',
  ]);
  assert.equal(second.pass, 'averylongpasswordin', 'ifconfig keeps 19 bytes');
  assert.deepEqual([third.peers, third.advbase], [['198.51.100.12'], 2]);
});

test('FreeBSD: demotion of the whole host and its weights are kept, VRRP and a fixed demotion are told', () => {
  const imported = inline('rc.conf', 'rc.conf', 'sysctl.conf');
  const read = readText(imported.yaml);
  assert.ok(read.ok);
  assert.deepEqual((read.value as { demotion: unknown }).demotion, { linkDown: 120, scope: 'host' });
  assert.match(imported.disabled[0]?.why ?? '', /carpver 3 is VRRP/);
  assertRemark(imported, /sysctl.conf line 5: net.inet.carp.demotion=240: use `carp demote/);
});

test('FreeBSD 9: the interface of carpN is the one with an address of the same subnet, or is to be named', () => {
  const imported = inline('rc.conf', 'rc.conf-9');
  assert.deepEqual(
    groupsOf(imported).map(({ name, interface: device, vhid, addresses }) => [name, device, vhid, addresses]),
    [
      ['carp0', 'em0', 1, ['192.0.2.100/24']],
      ['carp1', 'eth0', 2, ['198.51.100.100/24']],
    ],
  );
  assertRemark(imported, /Not told: carp1 takes the interface/);
});

test('OpenBSD: one file is one group, with its signed link-level address and its peer', () => {
  const [first, second] = groupsOf(inline('hostname.if', 'hostname.carp0', 'hostname.carp1'));
  assert.ok(first && second);
  const { name, interface: device, vhid, pass, advskew, addresses, lladdr, peers, compatibility, preempt } = first;
  assert.deepEqual(
    { name, device, vhid, pass, advskew, addresses, lladdr, peers, compatibility, preempt },
    {
      name: 'carp0',
      device: 'em0',
      vhid: 1,
      pass: 'se cret',
      advskew: 100,
      addresses: ['192.0.2.100/24', '192.0.2.101/32', '2001:db8::100/64', '2001:db8::101/128'],
      lladdr: '02:00:5e:10:20:30',
      peers: ['192.0.2.12'],
      compatibility: 'openbsd',
      preempt: false,
    },
  );
  assert.deepEqual([second.name, second.vhid, second.advskew], ['carp1-10', 10, 0]);
});

test('OpenBSD: of carpnodes that share an address the first is a group, the others are comments', () => {
  const imported = inline('hostname.if', 'hostname.carp1');
  assert.equal(imported.groups, 1);
  assert.match(imported.disabled[0]?.why ?? '', /balancing/);
  assertRemark(imported, /vhid: 11/);
});

test('OpenBSD: without carpnodes, preempt comes from sysctl.conf, and a later -carppeer takes the peer away', () => {
  const text = 'inet 192.0.2.1 0xffffff00 NONE vhid 3 carpdev em0 carppeer 192.0.2.12 pass x\n-carppeer\n';
  const imported = importConfig(
    'hostname.if',
    [
      { name: 'carp-backup', text },
      { name: 'sysctl.conf', text: 'net.inet.carp.preempt=1 # yes\n' },
    ],
    { type: 'inline' },
  );
  const group = only(imported);
  assert.deepEqual([group.name, group.addresses, group.peers, group.preempt], ['carp0', ['192.0.2.1/24'], [], true]);
});

test('OpenBSD: without carpdev, the interface is the one whose own file has an address of the subnet', () => {
  const files = [
    { name: '/etc/hostname.carp0', text: 'inet 192.0.2.100 255.255.255.0 NONE vhid 1 pass x\n' },
    { name: '/etc/hostname.em1', text: 'inet 198.51.100.2 255.255.255.0\n' },
    { name: '/etc/hostname.em0', text: 'inet 192.0.2.11 255.255.255.0 192.0.2.255 description "the lan"\nup\n' },
  ];
  const found = importConfig('hostname.if', files, { type: 'inline' });
  assert.deepEqual([only(found).interface, only(found).addresses], ['em0', ['192.0.2.100/24']]);
  assertRemark(found, /The one with an address of the same subnet, as OpenBSD finds it for carp0/);
  assertRemark(found, /hostname\.em0: lines that are not about shared addresses were left out: 1-2/);
  const alone = importConfig('hostname.if', files.slice(0, 2), { type: 'inline' });
  assert.equal(only(alone).interface, 'eth0');
  assertRemark(alone, /Not told: carp0 takes the interface with an address of the same subnet\. Name it/);
});

test('keepalived: a number that cannot be read is told with what was taken instead', () => {
  const imported = importText(
    'keepalived',
    'vrrp_script c {\nscript /c\ninterval 2s\nweight 0x5\n}\nvrrp_instance A {\ninterface eth0\nvirtual_router_id 5\n' +
      'priority 0x10\nadvert_int fast\npreempt_delay 1m\ntrack_script {\nc weight many\n}\n}\n',
  );
  const { advskew, advbase, preemptDelay } = only(imported);
  assert.deepEqual([advskew, advbase, preemptDelay], [155, 1, 0]);
  assertRemark(imported, /line 9: priority 0x10: no plain decimal number; the default of keepalived, 100, was taken/);
  assertRemark(imported, /line 10: advert_int fast: no plain decimal number; it was left out/);
  assertRemark(imported, /line 11: preempt_delay 1m: no plain/);
  assertRemark(imported, /line 3: interval 2s: no plain decimal number; 1 was taken/);
  assertRemark(imported, /line 4: weight 0x5: no plain decimal number; 0 was taken/);
  assertRemark(imported, /line 13: c weight many: its weight is no plain decimal number; 0 was taken/);
  assert.doesNotMatch(importText('keepalived', 'vrrp_instance A {\nvirtual_router_id 5\n}\n').yaml, /plain/);
});

test('keepalived: a password is called sent in the clear where it is, and not with AH', () => {
  const text = (type: string): string =>
    `vrrp_instance A {\ninterface eth0\nvirtual_router_id 5\nauthentication {\nauth_type ${type}\nauth_pass 12345678\n}\n}\n`;
  assertRemark(importText('keepalived', text('PASS')), /line 6: keepalived sends auth_pass in the clear/);
  const ah = importText('keepalived', text('AH'));
  assert.doesNotMatch(ah.yaml, /in the clear/);
  assertRemark(ah, /line 6: auth_type AH: keepalived signs with auth_pass and does not send it/);
  assert.equal(only(ah).pass, '12345678');
});

test('keepalived: an instance becomes a group, its priority turned around, and all that moves with it', () => {
  const [first, second] = groupsOf(inline('keepalived', 'keepalived.conf'));
  assert.ok(first && second);
  // 150, and the 10 and 30 that two checks add while all is well.
  assert.deepEqual([first.vhid, first.advskew, first.advbase, first.sync], [51, 255 - 190, 1, 'SITE']);
  assert.deepEqual(first.addresses, ['192.0.2.100/24', '192.0.2.101/32', '2001:db8::100/64']);
  assert.deepEqual(
    [first.preempt, first.preemptDelay, first.addressing, first.announceRefresh, first.pass],
    [true, 30, 'virtual-mac', 60, '12345678'],
  );
  assert.deepEqual(first.hooks?.up, ['/etc/keepalived/notify.sh', 'to master']);
  assert.deepEqual(
    first.track.map(({ name, weight, every, rise, fall }) => [name, weight, every, rise, fall]),
    [
      ['link eth1', 30, 1, 1, 1],
      ['link eth2', 240, 1, 1, 1],
      ['chk_http', 20, 2, 2, 3],
      ['chk_tcp', 10, 1, 1, 1],
      ['nginx', 30, 1, 1, 1],
    ],
  );
  assert.deepEqual(first.track[2]?.command, ['/usr/bin/curl', '-s', 'http://127.0.0.1/up date']);
  assert.deepEqual(first.track[3]?.command, ['/bin/sh', '-c', '</dev/tcp/127.0.0.1/80']);
  assert.deepEqual([second.preempt, second.advskew, second.deadratio, second.ignoreLink], [false, 0, 5, true]);
  assert.deepEqual([second.source, second.peers], ['198.51.100.11', ['198.51.100.12', '198.51.100.13']]);
});

test('keepalived: two instances for the two families of one router are one group', () => {
  const imported = inline('keepalived', 'keepalived.conf');
  assert.deepEqual(groupsOf(imported)[1]?.addresses, ['198.51.100.200/24', '2001:db8:1::200/64']);
  assertRemark(imported, /Joined with VI_2_6/);
});

test('keepalived: what holds on some hosts only, what is included, and load balancing are told, not obeyed', () => {
  const imported = inline('keepalived', 'keepalived.conf');
  assertRemark(imported, /line 42: only on some hosts \(@main\): priority 200/);
  assertRemark(imported, /line 108: include .*: not read/);
  assertRemark(imported, /line 109 to 114: virtual_server/);
  assertRemark(imported, /Change all hosts of a group together/);
});

test('keepalived: a check whose command depends on the host is no check here', () => {
  const imported = importText(
    'keepalived',
    'vrrp_script c {\n@a script /a\n@b script /b\n}\nvrrp_instance A {\ninterface eth0\nvirtual_router_id 5\n' +
      'track_script {\nc\n}\nvirtual_ipaddress {\n@a 192.0.2.1\n192.0.2.2\n}\n}\n',
  );
  const { track, addresses } = only(imported);
  assert.deepEqual([track, addresses], [[], ['192.0.2.2/32']]);
  assertRemark(imported, /line 2: only on some hosts \(@a\): script \/a/);
  assertRemark(imported, /line 12: only on some hosts \(@a\): 192\.0\.2\.1/);
  assertRemark(imported, /line 9: c: not found/);
});

test('keepalived: a brace that is missing or too much is told with its line, and the rest is read', () => {
  const open = importText('keepalived', 'vrrp_instance A {\n interface eth0\n virtual_router_id 5\n');
  assert.equal(only(open).vhid, 5);
  assertRemark(open, /line 1: a "\{" that begins here has no "\}"/);
  const closed = importText('keepalived', '}\nvrrp_instance A {\n interface eth0\n virtual_router_id 5\n}\n');
  assert.equal(only(closed).vhid, 5);
  assertRemark(closed, /line 1: a "\}" without a "\{"/);
});

test('what our parser refuses stands as a comment with its reason: a setting alone, or the group with its number', () => {
  const one = importText('rc.conf', 'ifconfig_em0="inet vhid 4 advskew 255 pass x 224.0.0.5/24 192.0.2.1/24"');
  assert.deepEqual([only(one).addresses, only(one).advskew], [['192.0.2.1/24'], 0]);
  assertRemark(one, /addresses: "224.0.0.5\/24" was left out: .*multicast/);
  assertRemark(one, /advskew: 255 was left out/);
  const none = importText('rc.conf', 'ifconfig_em0="inet vhid 400 pass x 192.0.2.1/24"');
  assert.deepEqual([none.groups, none.disabled.length], [0, 1]);
  assert.match(none.disabled[0]?.why ?? '', /vhid: must be a whole number from 1 to 255/);
});

test('one address in two groups stays in the first, and the second says where it is', () => {
  const text = ['1', '2'].map((vhid) => `ifconfig_em0_alias${vhid}="inet vhid ${vhid} pass x 192.0.2.1/24"`).join('\n');
  const imported = importText('rc.conf', text);
  assert.deepEqual(
    groupsOf(imported).map(({ addresses }) => addresses),
    [['192.0.2.1/24'], []],
  );
  assertRemark(imported, /already used by em0-1/);
});

test('values that could break out of a comment or of YAML do neither', () => {
  const text = 'vrrp_instance "a: [b" {\n interface eth0\n virtual_router_id 1\n odd "x\u0007\u2028# y\u0085: z"\n}\n';
  const imported = importText('keepalived', text);
  assert.equal(only(imported).name, 'a: [b');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
  assert.doesNotMatch(imported.yaml, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028]/);
});

const HOSTILE: readonly (readonly [ImportSystem, string, string])[] = [
  ['ucarp', 'variables that double', `A=${'x'.repeat(1000)}\n${'A=$A$A\n'.repeat(60)}ucarp -v 1 -a $A`],
  ['ucarp', 'words from a variable', `A="${'a '.repeat(30_000)}"\n${'ucarp $A\n'.repeat(20_000)}`],
  ['ucarp', 'open substitutions', '$('.repeat(120_000)],
  ['ucarp', 'many starts', 'ucarp -v 1 -a 192.0.2.1 -i e\n'.repeat(8000)],
  ['ucarp', 'many stanzas', 'iface a inet static\n'.repeat(12_000)],
  ['rc.conf', 'many ranges', 'ifconfig_e="vhid 1 192.0.2.0-255"\n'.repeat(8000)],
  ['rc.conf', 'many groups', Array.from({ length: 3000 }, (_, i) => `ifconfig_e${i}="vhid 1 192.0.2.1/24"`).join('\n')],
  ['hostname.if', 'many lines', 'inet 192.0.2.1 vhid 1 foo\n'.repeat(10_000)],
  ['keepalived', 'deep braces', 'a {'.repeat(80_000)],
  ['keepalived', 'many instances', 'vrrp_instance a {\nvirtual_router_id 1\n}\n'.repeat(6000)],
  ['keepalived', 'variables that grow', `$A=${'x'.repeat(4000)}\n${'$A$A$A\n'.repeat(35_000)}`],
];
for (const [system, title, text] of HOSTILE)
  test(`a file of ${title} is read within bounds (${system})`, { timeout: 60_000 }, () => {
    const imported = importText(system, text);
    assert.ok(imported.yaml.length < 8 * 1024 * 1024);
    assert.ok(imported.groups <= 1024);
  });

test('no text makes an importer throw, and whatever it prints is valid', () => {
  const words = [
    'ucarp -i eth0 -v 1 -p x -a 192.0.2.1',
    'iface eth0 inet static',
    'ucarp-vid 3',
    'ExecStart=ucarp -v',
    'ifconfig_em0_alias0="inet vhid 1 pass x 192.0.2.1-9/24',
    'net.inet.carp.preempt=1',
    'inet 192.0.2.1 255.255.255.0 vhid 1 carpdev em0',
    'carpnodes 1:0,2:x',
    'vrrp_instance A {',
    'virtual_router_id 9',
    'virtual_ipaddress {',
    '192.0.2.9/33 dev eth0',
    'track_script { a weight x }',
    'interface eth0',
    '}',
    '{',
    '"',
    "'",
    '\\',
    '$A',
    '${',
    '$(',
    '`',
    '#',
    '!',
    '@a',
    '\n',
    ';',
  ];
  const text = fc
    .array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 6 })), { maxLength: 14 })
    .chain((parts) => fc.constantFrom(' ', '\n').map((joint) => parts.join(joint)));
  fc.assert(
    fc.property(fc.constantFrom(...IMPORT_SYSTEMS), text, (system, input) => {
      const imported = importText(system, input);
      if (imported.groups > 0) assert.equal(groupsOf(imported).length, imported.groups);
    }),
    { numRuns: 400 },
  );
});

test('a ucarp inside of a word is told, and a line that starts one is not called unrelated', () => {
  const imported = importText(
    'ucarp',
    [
      '[ -x /usr/sbin/ucarp ] && ucarp -i eth0 -s 192.0.2.2 -v 1 -p x -a 192.0.2.9 || logger failed',
      'su root -c "ucarp -i eth1 -s 192.0.2.3 -v 2 -p hush -a 192.0.2.10"',
      'echo done',
    ].join('\n'),
  );
  assert.equal(only(imported).vhid, 1);
  assertRemark(imported, /line 2: a ucarp that another program is told to start is not understood/);
  assertRemark(imported, /not about shared addresses were left out: 3$/m);
  assert.doesNotMatch(imported.yaml, /hush/);
});
