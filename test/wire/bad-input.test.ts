/** Mistakes that users make: each gets one clear message and an exit code, and changes nothing on the interface. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CARP, type GroupText, writeConfig } from '../support/carp.ts';
import { Lan } from '../support/netns.ts';
import { missingForAgent, unreadableByOthers } from '../support/requirements.ts';

const NOBODY = 65534;
/** As long as a user waits for a complaint, on a busy machine. */
const REFUSAL_MS = 15_000;
const skip = missingForAgent('setpriv') || unreadableByOthers(CARP);
const asNobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];

const good = {
  name: 'plant',
  interface: 'eth0',
  vhid: 10,
  pass: 'a-good-secret',
  addresses: ['192.0.2.100/24'],
};

interface Mistake {
  readonly title: string;
  readonly group: GroupText;
  readonly code: number;
  /** What the message has to name: the place, and what to do. */
  readonly says: readonly RegExp[];
  readonly prefix?: readonly string[];
}

const MISTAKES: readonly Mistake[] = [
  { title: 'an unknown key', group: { ...good, advscew: 3 }, code: 2, says: [/advscew/, /advskew/] },
  { title: 'vhid 0', group: { ...good, vhid: 0 }, code: 2, says: [/vhid/, /1\D+255/] },
  { title: 'a password of 20 bytes', group: { ...good, pass: 'x'.repeat(20) }, code: 2, says: [/pass/, /19/] },
  {
    title: 'an address without prefix',
    group: { ...good, addresses: ['192.0.2.100'] },
    code: 2,
    says: [/192\.0\.2\.100/, /192\.0\.2\.100\/\d+|prefix/],
  },
  { title: 'an interface that does not exist', group: { ...good, interface: 'eth9' }, code: 1, says: [/eth9/] },
  {
    title: 'no privileges',
    group: good,
    code: 77,
    says: [/cap_net_raw/i, /cap_net_admin|setcap|root/i],
    prefix: asNobody,
  },
];

/** Lets everybody read what is in this folder: somebody else will run there. */
const open = (folder: string): void => {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    chownSync(path, NOBODY, NOBODY);
    chmodSync(path, entry.isDirectory() ? 0o755 : 0o644);
  }
};

const refused = async (lan: Lan, mistake: Mistake): Promise<void> => {
  const host = lan.host(1);
  const before = await lan.exec(host, 'ip', 'addr');
  const file = writeConfig(lan, host, [mistake.group]);
  if (mistake.prefix !== undefined) open(lan.folder);
  const child = lan.start(host, 'carp', [...(mistake.prefix ?? []), process.execPath, CARP, 'run', '-c', file]);
  const exit = await child.untilExit(REFUSAL_MS);
  const said = [...child.stderr, ...child.stdout].map(({ text }) => text).join('\n');
  assert.equal(exit.code, mistake.code, child.report());
  for (const pattern of mistake.says) assert.match(said, pattern);
  assert.doesNotMatch(said, /^\s+at .*[:)]\d*/m, 'no stack trace');
  assert.doesNotMatch(said, /defect/);
  assert.doesNotMatch(said, /a-good-secret|x{20}/, 'no password');
  assert.ok(said.split('\n').length <= 4, `one message, not ${said.split('\n').length} lines:\n${said}`);
  assert.equal(await lan.exec(host, 'ip', 'addr'), before, 'nothing is left on the interface');
};

for (const mistake of MISTAKES)
  test(`${mistake.title} is refused with what to do`, { skip, timeout: 60_000 }, async (t) => {
    await refused(await Lan.create(t, 1), mistake);
  });

test('a passfile that the user may not read is refused with what to do', { skip, timeout: 60_000 }, async (t) => {
  const lan = await Lan.create(t, 1);
  const passfile = join(lan.folder, 'plant.pass');
  const { pass: _pass, ...rest } = good;
  const file = writeConfig(lan, lan.host(1), [{ ...rest, passfile }]);
  open(lan.folder);
  writeFileSync(passfile, 'a-good-secret\n');
  chownSync(passfile, 0, 0);
  chmodSync(passfile, 0o600);
  const child = lan.start(lan.host(1), 'carp', [...asNobody, process.execPath, CARP, 'run', '-c', file]);
  const exit = await child.untilExit(REFUSAL_MS);
  const said = child.stderr.map(({ text }) => text).join('\n');
  assert.ok(exit.code === 2 || exit.code === 77, child.report());
  assert.match(said, /plant\.pass/);
  assert.match(said, /read|chown|chmod|permission/i);
  assert.doesNotMatch(said, /^\s+at .*[:)]\d*/m, 'no stack trace');
  assert.doesNotMatch(said, /defect/);
});
