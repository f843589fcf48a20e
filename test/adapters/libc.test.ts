import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bindLibc, libc } from '../../src/adapters/linux/libc.ts';
import { Linux } from '../../src/adapters/linux/linux-constants.ts';
import { netlinkAddress } from '../../src/adapters/linux/sockaddr.ts';
import { CarpError } from '../../src/ports/error.ts';
import { until } from '../support/wait.ts';

const missing = process.platform === 'linux' ? false : 'needs Linux';
const LINUX = { platform: 'linux', arch: 'x64' };

const failure = (act: () => unknown): CarpError => {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof CarpError, String(error));
    return error;
  }
  assert.fail('nothing was thrown');
};

test('without koffi the command that installs it is named', () => {
  const notFound = Object.assign(new Error("Cannot find module 'koffi'"), { code: 'MODULE_NOT_FOUND' });
  const error = failure(() =>
    bindLibc(() => {
      throw notFound;
    }, LINUX),
  );
  assert.equal(error.code, 'CARP_NO_TRANSPORT');
  assert.match(error.message, /not installed/);
  assert.equal(error.remedy, 'npm install koffi@~3.3.4');
});

test('a koffi that does not load is told from one that is missing', () => {
  const error = failure(() =>
    bindLibc(() => {
      throw new Error('Cannot find the native Koffi module\nand much more');
    }, LINUX),
  );
  assert.equal(error.code, 'CARP_NO_TRANSPORT');
  assert.match(error.message, /does not load: Cannot find the native Koffi module$/);
  assert.match(error.remedy ?? '', /npm rebuild koffi/);
});

test('systems whose structures look different are refused before anything is loaded', () => {
  const never = (): never => assert.fail('koffi was loaded');
  for (const [platform, arch, what] of [
    ['freebsd', 'x64', /this is freebsd/],
    ['linux', 'arm', /this is arm$/],
    ['linux', 'ia32', /this is ia32$/],
    ['linux', 's390x', /this is s390x$/],
  ] as const) {
    const error = failure(() => bindLibc(never, { platform, arch }));
    assert.equal(error.code, 'CARP_NO_TRANSPORT');
    assert.match(error.message, what);
    assert.ok(error.remedy);
  }
});

test('errors of the system have their name and its words', { skip: missing }, () => {
  const c = libc();
  assert.throws(() => c.setsockopt(-1, 1, 1, 1), { name: 'SystemCallError', code: 'EBADF', syscall: 'setsockopt' });
  assert.throws(() => c.setsockopt(-1, 1, 1, 1), /^SystemCallError: setsockopt: EBADF \(Bad file descriptor\)$/);
  assert.equal(c.ifIndex('nowhere0'), 0);
});

test('a socket with nothing to read says so, and one with something is polled', { skip: missing }, async () => {
  const c = libc();
  const fd = c.socket(Linux.AF_NETLINK, Linux.SOCK_RAW, Linux.NETLINK_ROUTE);
  c.bind(fd, netlinkAddress(0));
  assert.equal(c.getsockname(fd).length, 12);
  const buffer = new Uint8Array(65536);
  assert.equal(c.recv(fd, buffer), undefined);

  const received: number[] = [];
  const watch = c.pollReadable(fd, () => {
    for (let length = c.recv(fd, buffer); length !== undefined; length = c.recv(fd, buffer)) received.push(length);
  });
  try {
    // RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP.
    const request = new DataView(new ArrayBuffer(32));
    request.setUint32(0, 32, true);
    request.setUint16(4, 18, true);
    request.setUint16(6, 0x301, true);
    c.sendto(fd, new Uint8Array(request.buffer));
    await until('the answer of the kernel', 5000, () => received.length > 0);
  } finally {
    watch.close();
    c.close(fd);
  }
});

test('an error of a polled socket is read, and the socket goes on', { skip: missing }, async () => {
  const c = libc();
  const fd = c.socket(Linux.AF_NETLINK, Linux.SOCK_RAW, Linux.NETLINK_ROUTE);
  c.bind(fd, netlinkAddress(0));
  // So small that the answer to a dump of everything overruns it: ENOBUFS, for which libuv stops polling.
  c.setsockopt(fd, Linux.SOL_SOCKET, Linux.SO_RCVBUF, 0);
  const buffer = new Uint8Array(65536);
  const seen: string[] = [];
  const read = (): void => {
    try {
      while (c.recv(fd, buffer) !== undefined) seen.push('data');
    } catch (error) {
      seen.push(error instanceof Error && 'code' in error ? String(error.code) : String(error));
    }
  };
  const watch = c.pollReadable(fd, read);
  try {
    // Each request that is none is answered with an error message of 36 bytes or more; nobody reads meanwhile.
    const request = new DataView(new ArrayBuffer(20));
    request.setUint32(0, 20, true);
    request.setUint16(4, 0xffff, true);
    request.setUint16(6, 1 | 4, true);
    for (let i = 0; i < 100; i++) c.sendto(fd, new Uint8Array(request.buffer));
    await until(
      'ENOBUFS',
      5000,
      () => seen.includes('ENOBUFS'),
      () => seen.join(),
    );
    await until(
      'the rest',
      5000,
      () => seen.includes('data'),
      () => seen.join(),
    );
    const before = seen.length;
    c.sendto(fd, new Uint8Array(request.buffer));
    await until(
      'another answer',
      5000,
      () => seen.length > before,
      () => seen.join(),
    );
    assert.equal(seen.at(-1), 'data');
  } finally {
    watch.close();
    c.close(fd);
  }
});
