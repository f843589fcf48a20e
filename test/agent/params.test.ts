import assert from 'node:assert/strict';
import { test } from 'node:test';
import { demoteParams, maintenanceParams, restoreParams } from '../../src/agent/params.ts';

const INVALID = -32602;

test('a reason is 1 to 64 printable characters, without spaces at its ends', () => {
  for (const reason of ['x', 'backup-job', 'nightly job', 'Wartung früh', '保守', 'x'.repeat(64), 'linkdown'])
    assert.equal(demoteParams({ reason, weight: 1 }).reason, reason);
  for (const reason of ['', ' ', ' x', 'x ', 'a\nb', 'a\u001b[31m', 'a\u2028b', 'x'.repeat(65), 7, undefined])
    assert.throws(() => demoteParams({ reason, weight: 1 }), { code: INVALID }, String(reason));
});

test('reasons of the agent itself are refused, with what ends them', () => {
  for (const reason of [
    'maintenance',
    'observe',
    'stalled',
    'send-errors',
    'link-down',
    'link-down plant',
    'track gateway',
  ]) {
    assert.throws(() => demoteParams({ reason, weight: 1 }), { code: 'CARP_CONFIG' }, reason);
    assert.throws(() => restoreParams({ reason }), { code: 'CARP_CONFIG' }, reason);
  }
  assert.throws(() => restoreParams({ reason: 'maintenance' }), { remedy: /carp maintenance off/ });
});

test('weights, times and everything else are checked', () => {
  for (const weight of [1, 240, 65_535]) assert.equal(demoteParams({ reason: 'x', weight }).weight, weight);
  for (const weight of [0, -1, 1.5, 65_536, '240', undefined])
    assert.throws(() => demoteParams({ reason: 'x', weight }), { code: INVALID }, String(weight));
  for (const forMs of [0, -1, 0.5, 31 * 86_400_000])
    assert.throws(() => demoteParams({ reason: 'x', weight: 1, forMs }), { code: INVALID }, String(forMs));
  assert.throws(() => demoteParams({ reason: 'x', weight: 1, scope: 'host' }), { code: INVALID });
  assert.throws(() => maintenanceParams({ on: 'yes' }), { code: INVALID });
  assert.deepEqual(maintenanceParams({ on: true }), { on: true });
});
