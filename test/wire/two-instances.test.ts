/** Two real Node-REDs with the same flow, on two hosts: its jobs run on one of them, whatever happens to the other. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { environmentOf, GROUP, jobFlow, rolesOf, TICK_MS, timesOf } from '../support/job-flow.ts';
import { Lan, run } from '../support/netns.ts';
import { NodeRed } from '../support/node-red.ts';
import { missingForAgent } from '../support/requirements.ts';
import { until } from '../support/wait.ts';

const skip = missingForAgent();
const START_MS = 60_000;
/** Three intervals and the advskew of the BACKUP (100/256 s). */
const MASTER_DOWN_MS = 3391;
/** The old MASTER keeps its role until 5 ms after the claim of its successor; the rest is for a busy machine. */
const OVERLAP_MS_MAX = 5 + 250;
/** From the last job of one host to the first of the other, when it said farewell: far from the master-down time. */
const FAREWELL_MS_MAX = 1500;
const TIMEOUT_MS_MAX = MASTER_DOWN_MS + 2000;

const start = async (t: Parameters<typeof Lan.create>[0], settings: object = {}) => {
  const lan = await Lan.create(t, 2);
  const launch = (number: number, advskew: number): Promise<NodeRed> => {
    const host = lan.host(number);
    return NodeRed.run(lan, host, { flow: jobFlow, env: environmentOf(host, advskew), settings });
  };
  const first = await launch(1, 0);
  await untilJobs(first, 3);
  const second = await launch(2, 100);
  await until(
    'the other host as BACKUP, with ticks',
    START_MS,
    () => rolesOf(second).some((role) => role.startsWith('BACKUP')) && timesOf(second, 'count').length >= 20,
    () => lan.report(),
  );
  // It is where it should be before anything goes wrong.
  await untilJobs(first, timesOf(first).length + 10);
  assert.deepEqual(timesOf(second), [], lan.report());
  return { lan, first, second };
};

const untilJobs = (on: NodeRed, count: number): Promise<unknown> =>
  until(
    `${count} jobs`,
    START_MS,
    () => timesOf(on).length >= count,
    () => on.child.report(),
  );

interface Takeover {
  /** From the last job of the old host to the first of the new one; negative when both ran for a while. */
  readonly gapMs: number;
  readonly overlapMs: number;
}

const takeover = (from: NodeRed, to: NodeRed): Takeover => {
  const [last, began] = [timesOf(from).at(-1), timesOf(to)[0]];
  if (last === undefined || began === undefined) throw new Error(`no jobs on one side${to.child.report()}`);
  return { gapMs: began - last, overlapMs: Math.max(0, last - began) };
};

const say = ({ gapMs, overlapMs }: Takeover): string =>
  overlapMs > 0 ? `both for ${overlapMs} ms` : `${gapMs} ms from the last job there to the first one here`;

describe('the same flow on two hosts, with a gate', { skip, concurrency: 2, timeout: 400_000 }, () => {
  test('runs on the MASTER alone, and goes on elsewhere at once when that Node-RED is killed', async (t) => {
    const { first, second } = await start(t);
    first.child.signal('SIGKILL');
    await untilJobs(second, 10);
    const over = takeover(first, second);
    t.diagnostic(`${say(over)}; roles there: ${rolesOf(second).join(', ')}`);
    assert.ok(over.overlapMs === 0 && over.gapMs < FAREWELL_MS_MAX, say(over));
  });

  test('goes on elsewhere after the master-down time when the whole host loses its power', async (t) => {
    const { lan, first, second } = await start(t);
    await lan.powerOff(lan.host(1));
    await untilJobs(second, 10);
    const over = takeover(first, second);
    t.diagnostic(say(over));
    assert.ok(over.gapMs > MASTER_DOWN_MS - 1000 - 2 * TICK_MS && over.gapMs < TIMEOUT_MS_MAX, say(over));
  });

  test('is handed over by a Node-RED that is stopped', async (t) => {
    const { lan, first, second } = await start(t);
    first.child.signal('SIGTERM');
    await untilJobs(second, 10);
    await first.child.untilExit(START_MS);
    const over = takeover(first, second);
    t.diagnostic(say(over));
    assert.ok(over.overlapMs < OVERLAP_MS_MAX && over.gapMs < FAREWELL_MS_MAX, say(over));
    await lan.untilHolders(GROUP.address, [lan.host(2).name], START_MS);
  });

  test('changes hands without a tick that is lost or run for long on both, when its MASTER hands over', async (t) => {
    const { first, second } = await start(t);
    await first.press('hand-over');
    await untilJobs(second, 10);
    const over = takeover(first, second);
    t.diagnostic(say(over));
    assert.ok(over.overlapMs < OVERLAP_MS_MAX && over.gapMs < FAREWELL_MS_MAX, say(over));
    const ran = timesOf(first).length;
    await untilJobs(second, 30);
    assert.equal(timesOf(first).length, ran, 'the one that handed over went on');
  });

  test('does not run on a host that hung for so long that another took over', async (t) => {
    const { first, second } = await start(t, { carpStallTimeout: 2 });
    await first.press();
    await first.child.untilLine(/\] spins$/, START_MS);
    await untilJobs(second, 10);
    const [began = 0] = timesOf(second);
    await first.child.untilLine(/has spun/, START_MS);
    // Its ticks have piled up and go on; so it is told apart from one that does nothing at all.
    const ticks = timesOf(first, 'count').length;
    await until('ticks after the stall', START_MS, () => timesOf(first, 'count').length > ticks + 10);
    const late = timesOf(first).filter((at) => at > began + OVERLAP_MS_MAX);
    t.diagnostic(`${say(takeover(first, second))}; ${late.length} jobs on the host that hung, later`);
    assert.deepEqual(late, [], first.child.report());
  });

  test('does not run on a host that was frozen, Node-RED and agent alike, not even for one tick', async (t) => {
    const { lan, first, second } = await start(t);
    const pids = await pidsOn(lan, 1);
    assert.ok(pids.length >= 2 && pids.includes(first.child.pid), `${pids}`);
    signal(pids, 'SIGSTOP');
    t.after(() => signal(pids, 'SIGCONT'));
    await untilJobs(second, 10);
    const ran = timesOf(first).length;
    // Node-RED thaws first: the last that it heard is that it is MASTER, and nobody is there who could tell more.
    signal([first.child.pid], 'SIGCONT');
    const ticks = timesOf(first, 'count').length;
    await until('ticks with a frozen agent', START_MS, () => timesOf(first, 'count').length > ticks + 10);
    assert.equal(timesOf(first).length, ran, first.child.report());
    signal(pids, 'SIGCONT');
    await until('ticks with an agent', START_MS, () => timesOf(first, 'count').length > ticks + 40);
    assert.equal(timesOf(first).length, ran, first.child.report());
    const over = takeover(first, second);
    t.diagnostic(say(over));
    assert.ok(over.overlapMs === 0 && over.gapMs < TIMEOUT_MS_MAX, say(over));
  });
});

const pidsOn = async (lan: Lan, host: number): Promise<readonly number[]> => {
  const text = await run('ip', 'netns', 'pids', lan.host(host).namespace);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
};

const signal = (pids: readonly number[], name: NodeJS.Signals): void => {
  for (const pid of pids)
    try {
      process.kill(pid, name);
    } catch {
      // It has ended.
    }
};
