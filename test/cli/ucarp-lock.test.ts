/** Who is believed when somebody else has the lock of a virtual host: names of abstract sockets are free to all users. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { lockUcarp } from '../../src/cli/ucarp-lock.ts';
import { isTrusted } from '../../src/cli/ucarp-peer.ts';
import { missingForAgent, toolPath, unreadableByOthers } from '../support/requirements.ts';

const skip = missingForAgent();
const asNobody = skip || (toolPath('setpriv') ? unreadableByOthers(process.execPath) : 'needs setpriv');
/** Locks are seen by all processes of the machine. */
const DEVICE = `t${process.pid}`;
const ask = (vhid: number) =>
  lockUcarp({ interface: DEVICE, vhid, what: 'the same', cancelled: new Promise(() => {}) });

const isUseless = (error: Error & { code: string; remedy: string }): boolean => {
  assert.equal(error.code, 'CARP_DUPLICATE');
  assert.match(error.message, /cannot be seen to be ours/);
  assert.match(error.remedy, /ss -xlp/);
  assert.doesNotMatch(error.message + error.remedy, /kill|4242|already/);
  return true;
};

describe('the lock of carp ucarp', () => {
  test('who has it tells the next one its process and its options', { skip }, async (t) => {
    const lock = await ask(1);
    assert.ok(lock !== undefined && 'release' in lock);
    t.after(lock.release);
    assert.deepEqual(await ask(1), { pid: process.pid, state: 'running', what: 'the same' });
  });

  test('a process of our own user that names another one is not believed', { skip }, async (t) => {
    for (const state of ['running', 'ending']) {
      const server = createServer((socket) => socket.end(JSON.stringify({ pid: 4242, state, what: 'the same' })));
      server.listen(`\0carp/ucarp/${DEVICE}/2`);
      await once(server, 'listening');
      t.after(() => server.close());
      await assert.rejects(ask(2), isUseless);
      server.close();
      await once(server, 'close');
    }
  });

  test('another user who took the name first is not believed, whatever he says', {
    skip: asNobody,
    timeout: 30_000,
  }, async (t) => {
    const program = `require('net').createServer((s) => s.end(JSON.stringify({ pid: process.pid, state: 'running', what: 'the same' }))).listen('\\0carp/ucarp/${DEVICE}/3', () => console.log('ready'))`;
    const argv = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, '-e', program];
    const stranger = spawn('setpriv', argv, { cwd: '/', stdio: ['ignore', 'pipe', 'ignore'] });
    t.after(() => stranger.kill('SIGKILL'));
    await once(stranger.stdout, 'data');
    await assert.rejects(ask(3), isUseless);
  });

  test('root and the own user are believed about themselves, and nobody where the kernel cannot be asked', () => {
    assert.equal(isTrusted({ pid: 7, uid: 0 }, 7, 1000), true);
    assert.equal(isTrusted({ pid: 7, uid: 1000 }, 7, 1000), true);
    assert.equal(isTrusted({ pid: 7, uid: 1001 }, 7, 1000), false);
    assert.equal(isTrusted({ pid: 7, uid: 1001 }, 7, 0), false);
    assert.equal(isTrusted({ pid: 8, uid: 0 }, 7, 0), false);
    assert.equal(isTrusted({ pid: 0, uid: 0 }, 7, 0), false);
    assert.equal(isTrusted(undefined, 7, 0), false);
  });
});
