import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { after, before, describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { missingForWire, toolPath } from '../support/requirements.ts';
import { ip, VethPair } from '../support/veth-pair.ts';
import { until } from '../support/wait.ts';
import { writtenLines } from '../support/written-lines.ts';

const SCRIPT = fileURLToPath(new URL('../support/iproute-announce.js', import.meta.url));
const SOON_MS = 20_000;
const WRONG_MAC = '02:00:00:00:00:99';
const MAC_OF_A = '02:00:00:00:00:0a';
const VIP4 = '192.0.2.100';
const VIP6 = '2001:db8::100';
const NO_ARPING = '/nonexistent/arping';

interface Said {
  readonly type: 'ready' | 'done' | 'failed' | 'log';
  readonly message?: string;
  readonly remedy?: string;
  readonly code?: string;
  readonly ms?: number;
}

/** Somebody who announces in a namespace. */
class Announcing {
  readonly said: Said[] = [];
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  #unread = '';

  constructor(t: TestContext, namespace: string, args: readonly string[]) {
    const argv = ['netns', 'exec', namespace, process.execPath, SCRIPT, ...args];
    this.#process = spawn('ip', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    t.after(() => this.#process.kill('SIGKILL'));
    this.#process.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#unread + text).split('\n');
      this.#unread = lines.pop() ?? '';
      for (const line of lines) this.said.push(JSON.parse(line) as Said);
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get logged(): readonly Said[] {
    return this.said.filter(({ type }) => type === 'log');
  }

  async announce(name: string, ...addresses: readonly string[]): Promise<Said> {
    const answers = (): readonly Said[] => this.said.filter(({ type }) => type === 'done' || type === 'failed');
    const earlier = answers().length;
    this.#process.stdin.write(`${JSON.stringify({ interface: name, addresses })}\n`);
    return until('an answer', SOON_MS, () => answers()[earlier]);
  }
}

const missingRawSocket = (): string | false => {
  try {
    createRequire(import.meta.url)('raw-socket');
    return false;
  } catch {
    return 'needs the module raw-socket, built: npm rebuild raw-socket';
  }
};

describe('announcements without koffi', { skip: missingForWire('sysctl') }, () => {
  let pair: VethPair;

  before(async () => {
    pair = new VethPair();
    await pair.settled();
    ip('-n', pair.a, 'addr', 'add', `${VIP4}/32`, 'dev', 'eth0');
    ip('-n', pair.a, 'addr', 'add', `${VIP6}/128`, 'dev', 'eth0', 'nodad', 'preferred_lft', '0');
  });
  after(() => pair?.close());

  const macAtB = (address: string): string | undefined =>
    / lladdr (\S+)/.exec(ip('-n', pair.b, 'neigh', 'show', 'to', address, 'dev', 'eth0'))?.[1];
  /** As B would have it from the host that served the address before. */
  const misleadB = (address: string): void => {
    ip('-n', pair.b, 'neigh', 'replace', address, 'lladdr', WRONG_MAC, 'dev', 'eth0', 'nud', 'stale');
    assert.equal(macAtB(address), WRONG_MAC);
  };
  const untilRight = (address: string): Promise<unknown> =>
    until(
      `${address} at ${MAC_OF_A}`,
      SOON_MS,
      () => macAtB(address) === MAC_OF_A,
      () => `It is at ${macAtB(address)}`,
    );

  /** A program that stands in for arping(8), and the file in which it writes its arguments down. */
  const standIn = (
    t: TestContext,
    version: string,
    behaviour = '',
  ): { program: string; calls: () => readonly string[] } => {
    const folder = mkdtempSync(join(tmpdir(), 'carp-arping-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const [program, file] = [join(folder, 'arping'), join(folder, 'calls')];
    writeFileSync(
      program,
      `#!/bin/sh\nif [ "$1" = -V ]; then echo "${version}" >&2; exit 1; fi\necho "$@" >> ${file}\n${behaviour}\n`,
    );
    chmodSync(program, 0o755);
    const calls = (): readonly string[] => writtenLines(file);
    return { program, calls };
  };
  const announcing = (t: TestContext, ...args: readonly string[]): Announcing => new Announcing(t, pair.a, args);

  test('arping turns the neighbours over to this host', { skip: missingForWire('arping') }, async (t) => {
    const announcer = announcing(t, toolPath('arping') ?? '');
    misleadB(VIP4);
    const { type, ms } = await announcer.announce('eth0', VIP4);
    assert.equal(type, 'done');
    t.diagnostic(`the call took ${ms?.toFixed(1)} ms`);
    await untilRight(VIP4);
    assert.deepEqual(announcer.logged, []);
  });

  test('raw-socket does so for IPv6', { skip: missingRawSocket() }, async (t) => {
    const announcer = announcing(t, NO_ARPING, 'raw-socket');
    misleadB(VIP6);
    const { type, ms } = await announcer.announce('eth0', VIP6);
    assert.equal(type, 'done');
    t.diagnostic(`the call took ${ms?.toFixed(1)} ms`);
    await untilRight(VIP6);
    assert.deepEqual(announcer.logged, []);
  });

  for (const [version, expected] of [
    ['arping from iputils 20221126', `-q -U -c 1 -w 1 -I eth0 ${VIP4}`],
    ['ARPing 2.23, by Thomas Habets <thomas@habets.se>', `-q -U -c 1 -w 1 -i eth0 -S ${VIP4} ${VIP4}`],
    ['BusyBox v1.36.1 multi-call binary.', `-q -U -c 1 -w 1 -I eth0 ${VIP4}`],
  ] as const)
    test(`it is told what to do in its own words: ${version}`, async (t) => {
      const { program, calls } = standIn(t, version, 'exit 1');
      const announcer = announcing(t, program);
      await announcer.announce('eth0', VIP4);
      await until('a call', SOON_MS, () => calls().length > 0);
      assert.deepEqual(calls(), [expected]);
      // That of Habets fails without an answer, and says nothing: that is no failure.
      await announcer.announce('lo', VIP4);
      assert.deepEqual(announcer.logged, []);
    });

  test('what cannot be announced is said once for each family, with what helps', async (t) => {
    const announcer = announcing(t, NO_ARPING);
    for (let i = 0; i < 5; i++) assert.equal((await announcer.announce('eth0', VIP4, VIP6)).type, 'done');
    assert.deepEqual(
      announcer.logged.map(({ remedy }) => /iputils-arping/.test(remedy ?? '')),
      [false, true],
    );
    assert.ok(announcer.logged.every(({ remedy }) => /npm install koffi/.test(remedy ?? '')));
    assert.ok(announcer.logged.every(({ message }) => /neighbours are not told/.test(message ?? '')));
  });

  test('what arping complains about is said once', async (t) => {
    const { program, calls } = standIn(
      t,
      'arping from iputils 20221126',
      'echo "arping: socket: Operation not permitted" >&2; exit 2',
    );
    const announcer = announcing(t, program);
    for (let i = 1; i <= 3; i++) {
      await announcer.announce('eth0', VIP4);
      await until('a call', SOON_MS, () => calls().length === i);
    }
    const [first] = await until('a line', SOON_MS, () => announcer.logged.length > 0 && announcer.logged);
    assert.match(first?.message ?? '', /on eth0: arping: socket: Operation not permitted/);
    assert.match(first?.remedy ?? '', /setcap cap_net_raw\+ep/);
    // The complaints of the others were on their way before the answer to this.
    await announcer.announce('lo', VIP4);
    assert.equal(announcer.logged.length, 1);
  });

  test('many addresses do not become as many processes at once, and none is left out', async (t) => {
    const { program, calls } = standIn(t, 'arping from iputils 20221126', 'exec sleep 1');
    const announcer = announcing(t, program);
    const all = Array.from({ length: 60 }, (_, i) => `198.51.100.${i + 1}`);
    let most = 0;
    const count = (): number =>
      readFileSync(`/proc/${announcer.pid}/task/${announcer.pid}/children`, 'latin1').split(' ').filter(Boolean).length;
    // Twice: what still waits for its turn is not queued again.
    for (const each of [0, 1]) {
      const { ms = Number.NaN } = await announcer.announce('eth0', ...all);
      t.diagnostic(`call ${each + 1} took ${ms.toFixed(1)} ms`);
    }
    await until('all to be announced', SOON_MS, () => {
      most = Math.max(most, count());
      return new Set(calls().map((call) => call.split(' ').at(-1))).size === all.length;
    });
    await until('all to end', SOON_MS, () => count() === 0);
    assert.ok(most <= 40, `${most} processes at once`);
    assert.ok(calls().length <= all.length + 5, `${calls().length} calls`);
  });

  test('an interface that is down or does not exist cannot announce, and the message says so', async (t) => {
    const announcer = announcing(t, NO_ARPING);
    ip('-n', pair.a, 'link', 'add', 'down0', 'type', 'veth', 'peer', 'name', 'down1');
    for (const name of ['down0', 'nowhere0']) {
      const { type, code, remedy } = await announcer.announce(name, VIP4);
      assert.deepEqual([type, code, remedy], ['failed', 'CARP_SEND', `ip link set ${name} up`]);
    }
  });

  test('where there is nobody to tell, nothing is said: no Ethernet, no carrier', async (t) => {
    const announcer = announcing(t, NO_ARPING);
    ip('-n', pair.a, 'link', 'add', 'cut0', 'type', 'veth', 'peer', 'name', 'cut1');
    ip('-n', pair.a, 'link', 'set', 'cut0', 'up');
    ip('-n', pair.a, 'link', 'set', 'lo', 'up');
    for (const name of ['lo', 'cut0']) assert.equal((await announcer.announce(name, VIP4, VIP6)).type, 'done');
    assert.deepEqual(announcer.logged, []);
  });
});
