import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advskewParams } from '../../src/agent/params.ts';
import { groupText } from './fakes.ts';
import { pair, stateFolder } from './simulated-agent.ts';

const INVALID = -32602;

test('an advskew is a whole number from 0 to 254, or null; everything else is refused', () => {
  for (const advskew of [0, 100, 254, null])
    assert.deepEqual(advskewParams({ group: 'plant', advskew }), { group: 'plant', advskew });
  for (const advskew of [-1, 255, 1.5, '100', true, [], undefined])
    assert.throws(() => advskewParams({ group: 'plant', advskew }), { code: INVALID }, String(advskew));
  for (const params of [
    { advskew: 1 },
    { group: '', advskew: 1 },
    { group: 'plant', advskew: 1, force: true },
    7,
    null,
  ])
    assert.throws(() => advskewParams(params), { code: INVALID }, JSON.stringify(params));
});

test('the receipt tells what is in use, what is configured, and the role, which does not change by itself', async (t) => {
  const sim = await pair(t);
  const receipt = await sim.answer(sim.agent.advskew({ node: 'a', group: 'plant', advskew: 200 }));
  assert.deepEqual(receipt, { node: 'a', group: 'plant', advskew: 200, configured: 0, role: 'MASTER' });
  await sim.pass(5000);
  const { advskew, configuredAdvskew, role, intervalMs } = sim.group('a');
  assert.deepEqual([advskew, configuredAdvskew, role, intervalMs], [200, 0, 'MASTER', 1782]);
  const back = await sim.answer(sim.agent.advskew({ node: 'a', group: 'plant', advskew: null }));
  assert.deepEqual(back, { node: 'a', group: 'plant', advskew: 0, configured: 0, role: 'MASTER' });
  assert.match(sim.logged.join('\n'), /an operator sets the advskew of plant to 200[\s\S]*back to its 0/);
});

test('it is kept over a reload that does not change the group, and gone after one that does', async (t) => {
  const state = stateFolder(t);
  const sim = await pair(t, state);
  await sim.answer(sim.agent.advskew({ node: 'a', group: 'plant', advskew: 30 }));
  const other = groupText('lab', { vhid: 11, addresses: [] });
  await sim.run(state, { a: [groupText('plant'), other], b: [groupText('plant', { advskew: 100 })] });
  assert.equal(sim.group('a').advskew, 30);
  await sim.run(state, { a: [groupText('plant', { advskew: 5 }), other], b: [groupText('plant', { advskew: 100 })] });
  await sim.pass(3000);
  assert.deepEqual([sim.group('a').advskew, sim.group('a').configuredAdvskew], [5, undefined]);
});

test('it is gone when its host was switched off and on again', async (t) => {
  const sim = await pair(t);
  await sim.answer(sim.agent.advskew({ node: 'b', group: 'plant', advskew: 30 }));
  await sim.answer(sim.agent.simulate({ node: 'b', action: 'crash' }));
  await assert.rejects(sim.answer(sim.agent.advskew({ node: 'b', group: 'plant', advskew: 40 })), {
    code: 'CARP_FAILED',
    message: 'group plant of b does not run',
  });
  await sim.answer(sim.agent.simulate({ node: 'b', action: 'revive' }));
  assert.equal(sim.group('b').advskew, 100);
});

test('a group or host that is not there is refused, and those that are there are named', async (t) => {
  const sim = await pair(t);
  const order = (params: { readonly node?: string; readonly group: string }) =>
    sim.answer(sim.agent.advskew({ ...params, advskew: 1 }));
  await assert.rejects(order({ node: 'a', group: 'no' }), { code: 'CARP_NO_GROUP', remedy: 'its groups: plant' });
  await assert.rejects(order({ group: 'plant' }), { code: 'CARP_NO_GROUP', remedy: 'name one of: a, b' });
});
