import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLocks } from '../../src/agent/locks.ts';

const skip = process.platform === 'linux' ? false : 'needs Linux, which has abstract sockets';
/** Locks are seen by all processes of the machine. */
const claim = { interface: `t${process.pid}`, vhid: 7, owner: 'a/plant' };

test('two agents on one machine cannot serve the same vhid on the same interface', { skip }, async () => {
  const [one, other] = [createLocks(), createLocks()];
  await one.acquire(claim);
  await assert.rejects(other.acquire(claim), (error: Error & { code: string; remedy: string }) => {
    assert.equal(error.code, 'CARP_DUPLICATE');
    assert.match(error.message, /another agent already serves vhid 7 on t\d+/);
    assert.match(error.remedy, /stop/);
    return true;
  });
  await other.acquire({ ...claim, vhid: 8 });
  one.keepOnly([]);
  await other.acquire(claim);
  other.keepOnly([]);
});

test('a lock that is held stays held when the same group asks again, and is refused to another one', {
  skip,
}, async () => {
  const locks = createLocks();
  await locks.acquire({ ...claim, vhid: 9 });
  await locks.acquire({ ...claim, vhid: 9 });
  await assert.rejects(locks.acquire({ ...claim, vhid: 9, owner: 'b/lab' }), /group a\/plant already serves/);
  locks.keepOnly([{ ...claim, vhid: 9 }]);
  await assert.rejects(createLocks().acquire({ ...claim, vhid: 9 }), { code: 'CARP_DUPLICATE' });
  locks.keepOnly([]);
});
