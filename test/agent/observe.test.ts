/** The mode in which a host listens and never becomes MASTER; and what may be done to a host over the bus. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { BusHost } from '../../src/adapters/mqtt/part.ts';
import type { MaintenanceEntry } from '../../src/agent/maintenance-store.ts';
import { entriesOf, modeOf } from '../../src/agent/modes.ts';
import { configOf, groupText } from './fakes.ts';
import { pair, type SimulatedAgent, simulatedAgent, stateFolder } from './simulated-agent.ts';

const stored = (state: string): readonly MaintenanceEntry[] =>
  JSON.parse(readFileSync(join(state, 'maintenance.json'), 'utf8')).entries;

const HOSTS = { a: [groupText('plant')], b: [groupText('plant', { advskew: 100 })] };

describe('carp observe', () => {
  test('a MASTER that is to observe hands over, shows it, and never comes back, also when nobody else is there', async (t) => {
    const sim = await pair(t);
    assert.deepEqual(await sim.outcome(sim.agent.observe({ node: 'a', on: true })), [
      true,
      ['plant', 'MASTER > BACKUP', 240, '192.0.2.12'],
    ]);
    const { reason, mode, ledger } = sim.group('a');
    assert.deepEqual([reason, mode, ledger[0]?.reason], ['forced', 'observe', 'observe']);
    assert.equal(sim.group('b').mode, 'normal');
    await sim.answer(sim.agent.simulate({ node: 'b', action: 'crash' }));
    await sim.pass(60_000);
    assert.deepEqual([sim.group('a').role, sim.group('b').role], ['BACKUP', 'STOPPED']);
    assert.deepEqual([sim.group('a').master, sim.agent.snapshots()[0]?.master], [undefined, undefined]);
    await sim.outcome(sim.agent.observe({ node: 'a', on: false }));
    await sim.pass(5000);
    assert.deepEqual([sim.group('a').role, sim.group('a').mode], ['MASTER', 'normal']);
  });

  test('events of a group say its mode, unless that is normal, and so does who has just come', async (t) => {
    const sim = await pair(t);
    const told: string[] = [];
    sim.agent.events$.subscribe(({ node, role, mode }) => void told.push(`${node} ${role} ${mode}`));
    const modes = () => sim.agent.snapshots().map(({ node, mode }) => `${node} ${mode}`);
    await sim.outcome(sim.agent.observe({ node: 'a', on: true }));
    assert.ok(told.includes('a BACKUP observe') && told.includes('b MASTER undefined'), told.join());
    assert.deepEqual(modes(), ['a observe', 'b undefined']);
    told.length = 0;
    // Nothing but the mode is another one now; who shows it has to hear that all the same.
    await sim.outcome(sim.agent.maintenance({ node: 'a', on: true }));
    await sim.outcome(sim.agent.observe({ node: 'a', on: false }));
    assert.deepEqual(told.at(-1), 'a BACKUP maintenance');
    await sim.answer(sim.agent.simulate({ node: 'a', action: 'crash' }));
    assert.deepEqual([told.at(-1), ...modes()], ['a STOPPED maintenance', 'a maintenance', 'b undefined']);
    await sim.answer(sim.agent.simulate({ node: 'a', action: 'revive' }));
    await sim.outcome(sim.agent.maintenance({ node: 'a', on: false }));
    assert.deepEqual(modes(), ['a undefined', 'b undefined']);
  });

  test('where nobody takes over, the addresses are released all the same', async (t) => {
    const sim = await pair(t);
    await sim.answer(sim.agent.simulate({ node: 'b', action: 'crash' }));
    assert.deepEqual(await sim.outcome(sim.agent.observe({ node: 'a', on: true, group: 'plant' })), [
      true,
      ['plant', 'MASTER > BACKUP', 240, undefined],
    ]);
    assert.match(sim.group('a').detail, /nobody took over within 1500 ms/);
  });

  test('a last resort in maintenance lets go as well, and is the last resort again afterwards', async (t) => {
    const sim = await pair(t);
    await sim.answer(sim.agent.simulate({ node: 'b', action: 'crash' }));
    await sim.outcome(sim.agent.maintenance({ node: 'a', on: true }));
    assert.equal(sim.group('a').role, 'MASTER');
    await sim.outcome(sim.agent.observe({ node: 'a', on: true }));
    assert.deepEqual([sim.group('a').role, sim.group('a').demotion, sim.group('a').mode], ['BACKUP', 480, 'observe']);
    await sim.outcome(sim.agent.observe({ node: 'a', on: false }));
    await sim.pass(5000);
    assert.deepEqual(
      [sim.group('a').role, sim.group('a').demotion, sim.group('a').mode],
      ['MASTER', 240, 'maintenance'],
    );
  });

  test('it survives the agent, and ends on the disk when it is switched off', async (t) => {
    const state = stateFolder(t);
    const before = await pair(t, state);
    await before.outcome(before.agent.observe({ node: 'a', on: true, group: 'plant' }));
    const since = before.group('a').ledger[0]?.since ?? '';
    assert.deepEqual(stored(state), [{ node: 'a', group: 'plant', mode: 'observe', since }]);
    await before.answer(before.agent.stop());

    const after = simulatedAgent();
    const told: string[] = [];
    after.agent.events$.subscribe(({ node, role }) => told.push(`${node} ${role}`));
    await after.run(state, { a: HOSTS.a });
    await after.pass(60_000);
    assert.deepEqual(after.group('a').ledger, [{ reason: 'observe', weight: 240, since }]);
    assert.ok(!told.includes('a MASTER'), told.join());
    assert.deepEqual(await after.outcome(after.agent.observe({ node: 'a', on: true, group: 'plant' })), [
      false,
      ['plant', 'BACKUP > BACKUP', 240, undefined],
    ]);
    await after.outcome(after.agent.observe({ node: 'a', on: false }));
    assert.equal(existsSync(join(state, 'maintenance.json')), false);
  });

  test('a file of an older version is maintenance; one with a mode that nobody knows is taken for the worst', async (t) => {
    const since = '2026-11-01T00:00:00.000Z';
    const old = stateFolder(t);
    writeFileSync(join(old, 'maintenance.json'), JSON.stringify({ entries: [{ node: 'b', group: 'plant', since }] }));
    const sim = await pair(t, old);
    assert.deepEqual([sim.group('a').mode, sim.group('b').mode], ['normal', 'maintenance']);
    const strange = stateFolder(t);
    const entries = [{ node: 'b', group: 'plant', mode: 'retired', since }];
    writeFileSync(join(strange, 'maintenance.json'), JSON.stringify({ entries }));
    const other = await pair(t, strange);
    assert.deepEqual([other.group('a').mode, other.group('b').mode], ['maintenance', 'maintenance']);
  });

  test('maintenance and observing are switched one by one, and a group cannot leave what its host is in', async (t) => {
    const sim = await pair(t);
    const { agent } = sim;
    await sim.outcome(agent.maintenance({ node: 'b', on: true }));
    await sim.outcome(agent.observe({ node: 'b', on: true, group: 'plant' }));
    await sim.outcome(agent.maintenance({ node: 'b', on: false }));
    assert.deepEqual([sim.group('b').mode, sim.group('b').demotion], ['observe', 240]);
    await sim.outcome(agent.observe({ node: 'b', on: true }));
    await assert.rejects(sim.answer(agent.observe({ node: 'b', on: false, group: 'plant' })), {
      code: 'CARP_FAILED',
      remedy: 'to end that: carp observe off',
    });
    await sim.outcome(agent.observe({ node: 'b', on: false }));
    assert.equal(sim.group('b').mode, 'normal');
  });

  test('groups of one sync observe together', async (t) => {
    const state = stateFolder(t);
    const sim = simulatedAgent();
    const office = { vhid: 11, addresses: ['192.0.2.101/24'], sync: 'site' };
    await sim.run(state, {
      a: [groupText('plant', { sync: 'site' }), groupText('office', office)],
      b: [groupText('plant', { sync: 'site', advskew: 100 }), groupText('office', { ...office, advskew: 100 })],
    });
    await sim.pass(4000);
    await sim.outcome(sim.agent.observe({ node: 'a', on: true, group: 'plant' }));
    await sim.pass(100);
    for (const name of ['plant', 'office'])
      assert.deepEqual(
        [sim.group('a', name).role, sim.group('a', name).mode, sim.group('b', name).role],
        ['BACKUP', 'observe', 'MASTER'],
        name,
      );
    await assert.rejects(sim.answer(sim.agent.mode({ node: 'a', group: 'office', mode: 'normal' })), {
      message: 'office observes with plant, of the same sync',
      remedy: 'to end that: carp observe off plant',
    });
    await assert.rejects(sim.answer(sim.agent.observe({ node: 'a', on: false, group: 'office' })), {
      message: 'office observes with plant, of the same sync',
      remedy: 'to end that: carp observe off plant',
    });
  });

  test('where each group of a sync was told to observe, each can be told to end that', async (t) => {
    const groups = [
      groupText('plant', { sync: 'site' }),
      groupText('office', { vhid: 11, addresses: [], sync: 'site' }),
    ];
    for (const end of ['observe', 'mode'] as const) {
      const sim = simulatedAgent();
      await sim.run(stateFolder(t), { a: groups });
      const modes: string[] = [];
      for (const mode of ['observe', 'normal'] as const)
        for (const group of ['plant', 'office']) {
          if (end === 'mode') await sim.outcome(sim.agent.mode({ node: 'a', group, mode }));
          else await sim.outcome(sim.agent.observe({ node: 'a', group, on: mode === 'observe' }));
          modes.push(sim.group('a', 'plant').mode ?? '', sim.group('a', 'office').mode ?? '');
        }
      assert.deepEqual(modes.join(' '), 'observe observe observe observe observe observe normal normal');
      assert.equal(sim.group('a', 'office').demotion, 0);
    }
  });

  test('when a group is removed that observes, those that moved with it take part again', async (t) => {
    const state = stateFolder(t);
    const sim = simulatedAgent();
    const plant = groupText('plant', { sync: 'site' });
    const office = groupText('office', { vhid: 11, addresses: ['192.0.2.101/24'], sync: 'site' });
    await sim.run(state, { a: [plant, office] });
    await sim.outcome(sim.agent.observe({ node: 'a', on: true, group: 'plant' }));
    await sim.outcome(sim.agent.demote({ node: 'a', reason: 'disk', weight: 5, group: 'plant' }));
    await sim.outcome(sim.agent.demote({ node: 'a', reason: 'load', weight: 7, group: 'office' }));
    await sim.run(state, { a: [office] });
    await sim.pass(5000);
    const { role, mode, ledger } = sim.group('a', 'office');
    assert.deepEqual([role, mode, ledger.map(({ reason }) => reason)], ['MASTER', 'normal', ['load']]);
    // What is stored counts again with the group.
    await sim.run(state, { a: [plant, office] });
    await sim.pass(5000);
    assert.deepEqual(
      ['plant', 'office'].map((name) => [sim.group('a', name).role, sim.group('a', name).mode]),
      [
        ['BACKUP', 'observe'],
        ['BACKUP', 'observe'],
      ],
    );
  });
});

test('the mode of a group is the strongest of what concerns it', () => {
  const groups = ['a', 'b', 'c', 'd'].map((name, i) => (i < 2 ? { name, sync: 'site' } : { name }));
  const entry = fc.record(
    {
      node: fc.constant('rpi1'),
      group: fc.constantFrom('a', 'b', 'c', 'gone'),
      mode: fc.constant('observe' as const),
      since: fc.constant('2026-11-22T12:00:00.000Z'),
    },
    { requiredKeys: ['node', 'since'] },
  );
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 5 }), fc.constantFrom('a', 'b', 'c', 'd'), (entries, group) => {
      const modes = entriesOf(entries, groups, group).map(({ mode = 'maintenance' }) => mode);
      const expected = modes.includes('observe') ? 'observe' : (modes[0] ?? 'normal');
      assert.equal(modeOf(entries, groups, group), expected);
      assert.equal(modeOf(entries, groups, group), expected, 'the second time, too');
    }),
  );
});

describe('over the bus', () => {
  /** `a` is MASTER, `b` its BACKUP; and `a` as its connection to the broker sees it. */
  const onTheBus = async (t: TestContext): Promise<{ readonly sim: SimulatedAgent; readonly bus: BusHost }> => {
    const buses: BusHost[] = [];
    const sim = simulatedAgent({
      createPublisher: ({ host }) => {
        buses.push(host);
        return { close: async () => undefined, kill: () => undefined };
      },
    });
    const mqtt = { url: 'mqtt://127.0.0.1:1883' };
    const hosts = [configOf('a', HOSTS.a, { mqtt }), configOf('b', HOSTS.b)];
    await sim.answer(sim.agent.configure({ state: stateFolder(t), hosts }));
    await sim.pass(4000);
    const [bus] = buses;
    assert.ok(bus !== undefined && buses.length === 1);
    return { sim, bus };
  };

  test('one group gets one mode, from any to any, and the broker is told which', async (t) => {
    const { sim, bus } = await onTheBus(t);
    for (const [mode, demotion] of [
      ['maintenance', 240],
      ['observe', 240],
      ['observe', 240],
      ['maintenance', 240],
      ['normal', 0],
      ['observe', 240],
      ['normal', 0],
    ] as const) {
      await sim.answer(bus.operator.setMode('plant', mode));
      assert.deepEqual([bus.modeOf('plant'), sim.group('a').mode, sim.group('a').demotion], [mode, mode, demotion]);
    }
  });

  test('a change from maintenance to observing is no moment without either', async (t) => {
    const { sim, bus } = await onTheBus(t);
    await sim.answer(bus.operator.setMode('plant', 'maintenance'));
    const sums: number[] = [];
    sim.agent.events$.subscribe(({ node, demotion }) => void (node === 'a' && sums.push(demotion)));
    await sim.answer(bus.operator.setMode('plant', 'observe'));
    await sim.answer(bus.operator.setMode('plant', 'maintenance'));
    assert.ok(sums.length > 0 && Math.min(...sums) === 240, sums.join());
  });

  test('a mode that the group would not have afterwards is refused with the command that helps', async (t) => {
    const { sim, bus } = await onTheBus(t);
    await sim.outcome(sim.agent.maintenance({ node: 'a', on: true }));
    await assert.rejects(sim.answer(bus.operator.setMode('plant', 'normal')), {
      code: 'CARP_FAILED',
      message: 'plant is in maintenance with the whole host',
      remedy: 'to end that: carp maintenance off',
    });
    await sim.answer(bus.operator.setMode('plant', 'observe'));
    assert.equal(bus.modeOf('plant'), 'observe');
    await assert.rejects(sim.answer(bus.operator.setMode('no', 'normal')), { code: 'CARP_NO_GROUP' });
  });

  test('a host that stops stores no mode that it says it refuses', async (t) => {
    const { sim, bus } = await onTheBus(t);
    const stopped = sim.agent.stop();
    await assert.rejects(sim.answer(bus.operator.setMode('plant', 'observe')), {
      code: 'CARP_FAILED',
      message: 'a is about to stop',
    });
    assert.equal(bus.modeOf('plant'), 'normal');
    await sim.answer(stopped);
  });

  test('what one group says is what it says among all, whether it runs or not', async (t) => {
    const { sim, bus } = await onTheBus(t);
    assert.deepEqual(bus.snapshots('plant'), bus.snapshots());
    assert.deepEqual(bus.snapshots('no'), []);
    await sim.answer(sim.agent.simulate({ node: 'a', action: 'crash' }));
    assert.deepEqual(bus.snapshots('plant'), bus.snapshots());
    assert.equal(bus.snapshots('plant')[0]?.role, 'STOPPED');
    assert.deepEqual(bus.snapshots('no'), []);
  });

  test('hand-over and advskew do what the commands do', async (t) => {
    const { sim, bus } = await onTheBus(t);
    assert.deepEqual(await sim.answer(bus.operator.setAdvskew('plant', 50)), {
      node: 'a',
      group: 'plant',
      advskew: 50,
      configured: 0,
      role: 'MASTER',
    });
    await sim.answer(bus.operator.setAdvskew('plant', undefined));
    assert.equal(sim.group('a').advskew, 0);
    assert.equal((await sim.answer(bus.operator.handOver('plant', false))).address, '192.0.2.12');
    await assert.rejects(sim.answer(bus.operator.handOver('plant', false)), { code: 'CARP_NOT_MASTER' });
  });
});
