import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { groupText } from './fakes.ts';
import { pair, simulatedAgent, stateFolder } from './simulated-agent.ts';

const stored = (state: string): unknown => JSON.parse(readFileSync(join(state, 'maintenance.json'), 'utf8')).entries;

describe('demotion', () => {
  test('a MASTER that is demoted by 240 hands over, and the receipt names who took over', async (t) => {
    const sim = await pair(t);
    assert.equal(sim.group('a').role, 'MASTER');
    assert.equal(sim.group('a').leaseSeconds, 2);
    const receipt = await sim.answer(sim.agent.demote({ node: 'a', reason: 'backup-job', weight: 240 }));
    const [plant] = receipt.groups;
    assert.deepEqual(
      { ...plant, handedOver: plant?.handedOver?.address },
      {
        group: 'plant',
        previous: 'MASTER',
        role: 'BACKUP',
        demotion: 240,
        handedOver: '192.0.2.12',
      },
    );
    const afterMs = plant?.handedOver?.afterMs ?? Number.NaN;
    assert.ok(afterMs > 0 && afterMs < 20, `after ${afterMs} ms`);
    assert.deepEqual([sim.group('a').reason, sim.group('b').role], ['demoted', 'MASTER']);
    assert.equal(sim.group('a').leaseSeconds, undefined);
  });

  test('a smaller weight leaves the role, is shown with its end, and ends by itself', async (t) => {
    const sim = await pair(t);
    const order = sim.agent.demote({ node: 'a', reason: 'backup-job', weight: 20, group: 'plant', forMs: 5000 });
    assert.deepEqual(await sim.outcome(order), [true, ['plant', 'MASTER > MASTER', 20, undefined]]);
    const [entry] = sim.group('a').ledger;
    assert.equal(Date.parse(entry?.until ?? '') - Date.parse(entry?.since ?? ''), 5000);
    await sim.pass(5001);
    assert.deepEqual([sim.group('a').demotion, sim.group('a').ledger], [0, []]);
  });

  test('a restore takes one reason back; one that is not there is no mistake', async (t) => {
    const sim = await pair(t);
    await sim.outcome(sim.agent.demote({ node: 'b', reason: 'one', weight: 10 }));
    await sim.outcome(sim.agent.demote({ node: 'b', reason: 'two', weight: 20 }));
    const after = (demotion: number) => ['plant', 'BACKUP > BACKUP', demotion, undefined];
    assert.deepEqual(await sim.outcome(sim.agent.restore({ node: 'b', reason: 'one' })), [true, after(20)]);
    assert.deepEqual(await sim.outcome(sim.agent.restore({ node: 'b', reason: 'one' })), [false, after(20)]);
  });

  test('a restore of a reason that demotes something else says what to write instead', async (t) => {
    const sim = await pair(t);
    await sim.outcome(sim.agent.demote({ node: 'b', reason: 'nightly job', weight: 10, group: 'plant' }));
    await assert.rejects(sim.answer(sim.agent.restore({ node: 'b', reason: 'nightly job' })), {
      code: 'CARP_FAILED',
      remedy: "name the group: carp restore 'nightly job' plant",
    });
    await sim.outcome(sim.agent.demote({ node: 'b', reason: 'all', weight: 10 }));
    await assert.rejects(sim.answer(sim.agent.restore({ node: 'b', reason: 'all', group: 'plant' })), {
      remedy: 'leave the group out: carp restore all',
    });
  });

  test('the host may be left out only where there is one; groups and hosts that are not there are named', async (t) => {
    const sim = await pair(t);
    await assert.rejects(sim.answer(sim.agent.demote({ reason: 'x', weight: 1 })), {
      code: 'CARP_NO_GROUP',
      remedy: 'name one of: a, b',
    });
    await assert.rejects(sim.answer(sim.agent.handOver({ group: 'plant' })), { remedy: 'name one of: a, b' });
    await assert.rejects(sim.answer(sim.agent.demote({ node: 'a', group: 'no', reason: 'x', weight: 1 })), {
      code: 'CARP_NO_GROUP',
      remedy: 'its groups: plant',
    });
    const alone = simulatedAgent();
    await alone.run(stateFolder(t), { a: [groupText('plant')] });
    assert.equal((await alone.answer(alone.agent.demote({ reason: 'x', weight: 1 }))).node, 'a');
  });
});

describe('maintenance', () => {
  test('it is on the disk before the MASTER hands over, readable by the owner alone', async (t) => {
    const state = stateFolder(t);
    const sim = await pair(t, state);
    let onDisk: unknown;
    sim.agent.events$.subscribe(() => {
      onDisk ??= stored(state);
    });
    const receipt = await sim.answer(sim.agent.maintenance({ node: 'a', on: true }));
    assert.equal(receipt.groups[0]?.handedOver?.address, '192.0.2.12');
    assert.equal(sim.group('a').reason, 'maintenance');
    assert.equal((onDisk as readonly { readonly node: string }[])[0]?.node, 'a');
    assert.equal(statSync(join(state, 'maintenance.json')).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(state), ['maintenance.json']);
  });

  test('a host in maintenance stays MASTER where nobody else is, and takes over when the other one dies', async (t) => {
    const sim = await pair(t);
    await sim.answer(sim.agent.simulate({ node: 'b', action: 'crash' }));
    const alone = await sim.outcome(sim.agent.maintenance({ node: 'a', on: true }));
    assert.deepEqual(alone, [true, ['plant', 'MASTER > MASTER', 240, undefined]]);
    // What the command then advises: hand over as soon as somebody is there.
    await sim.answer(sim.agent.simulate({ node: 'b', action: 'revive' }));
    await sim.pass(5000);
    assert.deepEqual([sim.group('a').role, sim.group('b').role], ['MASTER', 'BACKUP']);
    await sim.answer(sim.agent.handOver({ node: 'a', group: 'plant' }));
    await sim.pass(5000);
    assert.deepEqual([sim.group('a').role, sim.group('b').role], ['BACKUP', 'MASTER']);

    const other = await pair(t);
    await other.outcome(other.agent.maintenance({ node: 'a', on: true }));
    assert.equal(other.group('a').role, 'BACKUP');
    await other.answer(other.agent.simulate({ node: 'b', action: 'crash' }));
    await other.pass(5000);
    assert.equal(other.group('a').role, 'MASTER');
  });

  test('it survives the agent: the next one never preempts, and shows since when', async (t) => {
    const state = stateFolder(t);
    const hosts = {
      a: [groupText('plant', { preempt: true })],
      b: [groupText('plant', { advskew: 100, preempt: true })],
    };
    const before = simulatedAgent();
    await before.run(state, hosts);
    await before.pass(4000);
    await before.outcome(before.agent.maintenance({ node: 'a', on: true }));
    const since = before.group('a').ledger[0]?.since;
    await before.answer(before.agent.stop());

    const after = simulatedAgent();
    const told: string[] = [];
    after.agent.events$.subscribe(({ node, role }) => told.push(`${node} ${role}`));
    await after.run(state, hosts);
    assert.equal(after.group('a').demotion, 240);
    await after.pass(10_000);
    assert.deepEqual(after.group('a').ledger, [{ reason: 'maintenance', weight: 240, since }]);
    assert.equal(after.group('b').role, 'MASTER');
    assert.ok(!told.includes('a MASTER'), told.join());

    await after.outcome(after.agent.maintenance({ node: 'a', on: false }));
    await after.pass(5000);
    assert.deepEqual([after.group('a').role, after.group('a').reason], ['MASTER', 'preempt']);
    assert.equal(existsSync(join(state, 'maintenance.json')), false);
  });

  test('on and off twice is no mistake; off ends what is on for groups, too', async (t) => {
    const state = stateFolder(t);
    const sim = await pair(t, state);
    const plant = (demotion: number) => ['plant', 'BACKUP > BACKUP', demotion, undefined];
    const set = (on: boolean, group?: string) =>
      sim.outcome(sim.agent.maintenance({ node: 'b', on, ...(group === undefined ? {} : { group }) }));
    assert.deepEqual(await set(false), [false, plant(0)]);
    assert.deepEqual(await set(true, 'plant'), [true, plant(240)]);
    assert.deepEqual(await set(true, 'plant'), [false, plant(240)]);
    assert.deepEqual(await set(true), [true, plant(480)]);
    await assert.rejects(set(false, 'plant'), { remedy: 'to end that: carp maintenance off' });
    assert.deepEqual(await set(false), [true, plant(0)]);
    assert.deepEqual(await set(false), [false, plant(0)]);
    assert.equal(existsSync(join(state, 'maintenance.json')), false);
  });

  test('a group that comes with a later configuration, and a host that is plugged in again, find what is stored', async (t) => {
    const state = stateFolder(t);
    const sim = await pair(t, state);
    await sim.outcome(sim.agent.maintenance({ node: 'b', on: true, group: 'plant' }));
    const [a, b] = [[groupText('plant')], [groupText('plant', { advskew: 100 })]];
    const lab = groupText('lab', { vhid: 11, addresses: [] });
    await sim.run(state, { a, b: [lab] });
    await sim.pass(2000);
    await sim.run(state, { a, b: [...b, lab] });
    assert.deepEqual([sim.group('b').demotion, sim.group('b', 'lab').demotion], [240, 0]);
    await sim.answer(sim.agent.simulate({ node: 'b', action: 'crash' }));
    await sim.answer(sim.agent.simulate({ node: 'b', action: 'revive' }));
    assert.equal(sim.group('b').demotion, 240);
  });

  test('what cannot be stored does not happen, and the remedy is a command', async (t) => {
    const state = join(stateFolder(t), 'state');
    const sim = await pair(t, state);
    // A file where the folder is to be: that stops root, too.
    rmSync(state, { recursive: true, force: true });
    writeFileSync(state, '');
    await assert.rejects(sim.answer(sim.agent.maintenance({ node: 'a', on: true })), (error: Error) => {
      assert.match(error.message, /cannot be stored in .*, and nothing has changed/);
      assert.match(String((error as { remedy?: unknown }).remedy), /install -d -m 0700 -o \d+ .*state/);
      return true;
    });
    assert.deepEqual([sim.group('a').role, sim.group('a').demotion], ['MASTER', 0]);
    rmSync(state);
    assert.deepEqual(await sim.outcome(sim.agent.maintenance({ node: 'a', on: true })), [
      true,
      ['plant', 'MASTER > BACKUP', 240, '192.0.2.12'],
    ]);
  });

  for (const content of ['', '{"entries": [{"node": 7}]}', '{"entries": [', 'null'])
    test(`a file that says ${JSON.stringify(content)} counts as maintenance of all hosts until it is switched off`, async (t) => {
      const state = stateFolder(t);
      writeFileSync(join(state, 'maintenance.json'), content);
      const sim = await pair(t, state);
      assert.deepEqual([sim.group('a').demotion, sim.group('b').demotion], [240, 240]);
      assert.match(sim.logged.join('\n'), /"error".*cannot be understood; to be safe.*carp maintenance off/);
      assert.equal(readFileSync(join(state, 'maintenance.json.corrupt'), 'utf8'), content);
      await sim.outcome(sim.agent.maintenance({ node: 'a', on: false }));
      await sim.answer(sim.agent.stop());

      const next = await pair(t, state);
      assert.deepEqual([next.group('a').demotion, next.group('b').demotion], [0, 240]);
    });

  test('a file that cannot be read counts as maintenance, and is left where it is', async (t) => {
    const state = stateFolder(t);
    mkdirSync(join(state, 'maintenance.json'));
    const sim = await pair(t, state);
    assert.equal(sim.group('a').demotion, 240);
    assert.match(sim.logged.join('\n'), /cannot be read/);
    assert.deepEqual(readdirSync(state), ['maintenance.json']);
  });

  test('another folder for state takes along who is in maintenance', async (t) => {
    const [one, other] = [stateFolder(t), stateFolder(t)];
    const sim = await pair(t, one);
    await sim.outcome(sim.agent.maintenance({ node: 'a', on: true }));
    await sim.run(other, { a: [groupText('plant')], b: [groupText('plant', { advskew: 100 })] });
    assert.deepEqual(stored(other), stored(one));
    assert.equal(sim.group('a').demotion, 240);
  });
});
