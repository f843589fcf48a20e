/** Real mistakes on a real wire: what ours says about a ucarp, a VRRP router and another of ours that it cannot understand. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Finding } from '../../src/cli/doctor-finding.ts';
import { CARP, Carp, type GroupText, type JsonEvent, writeConfig } from '../support/carp.ts';
import type { Child } from '../support/child.ts';
import { Lan, type Machine } from '../support/netns.ts';
import { missingForAgent } from '../support/requirements.ts';
import { startUcarp } from '../support/ucarp.ts';
import { until } from '../support/wait.ts';

const START_MS = 20_000;
const FOUND_MS = 30_000;
const PASSWORD = 'Correct-horse-99';

const group = (vhid: number, addresses: readonly string[], more: GroupText = {}): GroupText => ({
  name: `group${vhid}`,
  interface: 'eth0',
  vhid,
  pass: PASSWORD,
  addresses: addresses.map((address) => `${address}/32`),
  advskew: 0,
  ...more,
});

const parse = (text: string): JsonEvent | undefined => {
  try {
    return JSON.parse(text) as JsonEvent;
  } catch {
    return undefined;
  }
};

const mismatches = (carp: Carp, name: string): readonly JsonEvent[] =>
  carp.child.stdout
    .flatMap(({ text }) => parse(text) ?? [])
    .filter((event) => event.event === 'auth-mismatch' && event.group === name);

const untilMismatch = (carp: Carp, name: string): Promise<JsonEvent> =>
  until(
    `a mismatch of ${name}`,
    FOUND_MS,
    () => mismatches(carp, name)[0],
    () => carp.child.report(),
  );

/** Another ucarp on this machine, with the password in a file. */
const startUcarpWithFile = (lan: Lan, on: Machine, vhid: number, address: string, content: string): Child => {
  const file = join(lan.folder, `pass-${vhid}`);
  writeFileSync(file, content, { mode: 0o600 });
  return lan.start(on, 'ucarp', [
    'ucarp',
    '--interface=eth0',
    `--srcip=${on.ipv4}`,
    `--vhid=${vhid}`,
    `--passfile=${file}`,
    `--addr=${address}`,
    '--neutral',
    '--facility=none',
  ]);
};

const doctor = async (lan: Lan, on: Machine, ...args: readonly string[]) => {
  const child = lan.start(on, 'doctor', [process.execPath, CARP, 'doctor', '--json', ...args]);
  const { code } = await child.untilExit(START_MS);
  const text = child.stdout.map((line) => line.text).join('\n');
  return { code, findings: (JSON.parse(text) as { readonly findings: readonly Finding[] }).findings };
};

test('each mistake that ucarp can make is named, in events, in status and by carp doctor, and no password is', {
  skip: missingForAgent('ucarp'),
  timeout: 120_000,
}, async (t) => {
  const lan = await Lan.create(t, 2);
  const [ours, theirs] = [lan.host(1), lan.host(2)];
  const groups = [
    group(1, ['192.0.2.101']),
    group(2, ['192.0.2.102']),
    group(3, ['192.0.2.103']),
    group(4, ['192.0.2.104', '192.0.2.114', '192.0.2.124']),
    group(5, ['192.0.2.105'], { pass: 'office' }),
    group(6, ['192.0.2.106']),
    group(7, ['192.0.2.107']),
    group(8, ['192.0.2.108', '192.0.2.118']),
  ];
  const file = writeConfig(lan, ours, groups);
  const carp = Carp.start(lan, ours, groups);
  await carp.untilRole('MASTER', START_MS, 'group8');
  const start = (vhid: number, pass: string, address: string): Child =>
    startUcarp(lan, theirs, { vhid, pass, address, advskew: 0 });
  start(1, 'something else', '192.0.2.101');
  start(2, PASSWORD.slice(0, -1), '192.0.2.102');
  startUcarpWithFile(lan, theirs, 3, '192.0.2.103', `${PASSWORD}\r\n`);
  start(4, PASSWORD, '192.0.2.114');
  start(5, PASSWORD, '192.0.2.105');
  start(6, PASSWORD, '192.0.2.160');
  start(7, PASSWORD.toLowerCase(), '192.0.2.107');
  startUcarpWithFile(lan, theirs, 8, '192.0.2.108', `${PASSWORD}\r\n`);
  // Nobody here listens to this number.
  start(9, PASSWORD, '192.0.2.109');

  const expected: readonly (readonly [vhid: number, kind: string, says: RegExp])[] = [
    [1, 'unknown', /^192\.0\.2\.12 signs vhid 1 with another password/],
    [2, 'password-cut', /without its last character$/],
    [3, 'password-with', /with a carriage return behind the password$/],
    [4, 'one-address', /signs 192\.0\.2\.114 alone$/],
    [5, 'password-of-group', /with the password of group/],
    [6, 'other-address', /signs 192\.0\.2\.160 instead of 192\.0\.2\.106$/],
    [7, 'password-case', /in other case$/],
    [8, 'missing-address', /without 192\.0\.2\.118 and with a carriage return behind the password$/],
  ];
  for (const [vhid, kind, says] of expected) {
    const found = await untilMismatch(carp, `group${vhid}`);
    assert.equal(found['source'], theirs.ipv4);
    assert.equal(found['vhid'], vhid);
    assert.equal(found['kind'], kind, String(found['detail']));
    assert.match(String(found['detail']), says);
  }
  assert.equal(mismatches(carp, 'group9').length, 0);
  assert.equal(carp.role('group1'), 'MASTER', 'a stranger takes nothing away');

  const one = await doctor(lan, ours, '--group', 'group4', '-c', file);
  assert.equal(one.code, 1);
  const [missing] = one.findings.filter(({ level }) => level === 'missing');
  assert.match(missing?.message ?? '', /192\.0\.2\.12 signs 192\.0\.2\.114 alone/);
  assert.match(missing?.remedy ?? '', /carp ucarp/);
  const other = await doctor(lan, ours, '--group', 'group99', '-c', file);
  assert.equal(other.code, 1);
  assert.match(other.findings[0]?.message ?? '', /no group group99/);

  const status = lan.start(ours, 'status', [process.execPath, CARP, 'status', '-c', file]);
  await status.untilExit(START_MS);
  const text = status.stdout.map((line) => line.text).join('\n');
  assert.match(text, /peer +192\.0\.2\.12 signs 192\.0\.2\.114 alone/);

  const said = `${carp.child.report()}${text}${JSON.stringify([one, other])}`;
  for (const secret of [PASSWORD, PASSWORD.slice(0, -1), PASSWORD.toLowerCase(), 'something else'])
    assert.ok(!said.includes(secret), 'no password is told');
});

test('ours with ours: a forgotten IPv6 address is named on both sides, for both families, and is over when it is there', {
  skip: missingForAgent(),
  timeout: 120_000,
}, async (t) => {
  const lan = await Lan.create(t, 2);
  const [first, second] = [lan.host(1), lan.host(2)];
  const whole = {
    ...group(10, ['192.0.2.100']),
    addresses: ['192.0.2.100/32', '2001:db8::64/128', '2001:db8::65/128'],
    advskew: 100,
  };
  const part = { ...whole, addresses: whole.addresses.slice(0, 2), advskew: 0, preempt: true };
  const one = Carp.start(lan, first, [whole]);
  await one.untilRole('MASTER', START_MS);
  const two = Carp.start(lan, second, [part]);
  await two.untilRole('MASTER', START_MS);
  const found = await untilMismatch(one, 'group10');
  assert.equal(found['kind'], 'missing-address');
  assert.deepEqual(found['addresses'], ['2001:db8::65']);
  const mirrored = await untilMismatch(two, 'group10');
  assert.equal(mirrored['kind'], 'extra-address');
  assert.deepEqual(mirrored['addresses'], ['2001:db8::65']);
  await until(
    'a finding of each family',
    FOUND_MS,
    () => new Set(mismatches(one, 'group10').map((event) => event['source'])).size === 2,
    () => one.child.report(),
  );
  const sources = mismatches(one, 'group10').map((event) => event['source']);
  assert.deepEqual(new Set(sources), new Set([second.ipv4, second.linkLocal]));

  assert.equal((await two.terminate()).code, 0);
  const three = Carp.start(lan, second, [{ ...part, addresses: whole.addresses }]);
  await three.untilRole('MASTER', START_MS);
  await until(
    'both findings to be over',
    FOUND_MS,
    () =>
      new Set(
        mismatches(one, 'group10')
          .filter((event) => event['cleared'] === true)
          .map((event) => event['source']),
      ).size === 2,
    () => one.child.report(),
  );
});

test('keepalived with our number is named as VRRP, version 2 and 3, and over IPv6', {
  skip: missingForAgent('keepalived'),
  timeout: 120_000,
}, async (t) => {
  const lan = await Lan.create(t, 2);
  const [ours, theirs] = [lan.host(1), lan.host(2)];
  const instance = (name: string, version: number, id: number, address: string): string =>
    `vrrp_instance ${name} {\n version ${version}\n state MASTER\n interface eth0\n virtual_router_id ${id}\n` +
    ` priority 150\n advert_int 1\n virtual_ipaddress {\n  ${address}\n }\n}\n`;
  const file = join(lan.folder, 'keepalived.conf');
  writeFileSync(
    file,
    instance('two', 2, 20, '192.0.2.220/24') +
      instance('three', 3, 21, '192.0.2.221/24') +
      instance('six', 3, 22, 'fe80::222/64') +
      instance('other', 2, 24, '192.0.2.224/24'),
  );
  const carp = Carp.start(lan, ours, [
    group(20, ['192.0.2.120']),
    group(21, ['192.0.2.121']),
    { ...group(22, []), addresses: ['2001:db8::122/128'] },
    group(23, ['192.0.2.123']),
  ]);
  await carp.untilRole('MASTER', START_MS, 'group23');
  const state = ['-p', join(lan.folder, 'k.pid'), '-r', join(lan.folder, 'k.vrrp.pid')];
  lan.start(theirs, 'keepalived', ['keepalived', '-n', '-l', '-P', '-f', file, ...state]);
  for (const [vhid, version, source] of [
    [20, 2, theirs.ipv4],
    [21, 3, theirs.ipv4],
    [22, 3, theirs.linkLocal],
  ] as const) {
    const found = await untilMismatch(carp, `group${vhid}`);
    assert.equal(found['kind'], 'vrrp');
    assert.equal(found['source'], source);
    assert.match(
      String(found['detail']),
      new RegExp(`speaks VRRP version ${version} with id ${vhid} \\(priority 150,`),
    );
    assert.match(String(found['remedy']), /another vhid/);
  }
  assert.deepEqual(mismatches(carp, 'group23'), [], 'another number is no trouble');
});
