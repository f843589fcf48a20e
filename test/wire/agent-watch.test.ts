/** Listening to a real segment through an agent: as a client of a service, and with a forked agent that runs no group. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { connectService } from '../../src/agent/client.ts';
import type { SegmentUpdate } from '../../src/agent/segment-updates.ts';
import { createSupervisor } from '../../src/agent/supervisor.ts';
import { Carp, type GroupText } from '../support/carp.ts';
import { Lan } from '../support/netns.ts';
import { missingForAgent } from '../support/requirements.ts';
import { until } from '../support/wait.ts';

const START_MS = 20_000;
const skip = missingForAgent();

const group = (advskew: number, pass = 'secret'): GroupText => ({
  name: 'plant',
  interface: 'eth0',
  vhid: 7,
  pass,
  addresses: ['192.0.2.100/32'],
  advskew,
});

const listener = () => {
  const heard: SegmentUpdate[] = [];
  const said = (): string => JSON.stringify(heard, undefined, 1);
  const untilUpdate = (what: string, so: (update: SegmentUpdate) => boolean, from = 0): Promise<SegmentUpdate> =>
    until(what, START_MS, () => heard.slice(from).find(so), said);
  const untilChange = (event: string, fields: Readonly<Record<string, unknown>> = {}) =>
    untilUpdate(event, (update) => {
      if (update.type !== 'change' || update.change.event !== event) return false;
      const change = update.change as Readonly<Record<string, unknown>>;
      return Object.entries(fields).every(([key, value]) => change[key] === value);
    });
  return { heard, untilUpdate, untilChange, listen: (update: SegmentUpdate) => void heard.push(update) };
};

describe('an agent that listens', { concurrency: 2 }, () => {
  test('tells a client of a service who speaks, who signs differently, that there are two masters, and survives a restart', {
    skip,
    timeout: 120_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    let carp = Carp.start(lan, first, [group(0)]);
    await carp.untilRole('MASTER', START_MS);
    const link = connectService({ path: join(lan.folder, first.name, 'agent.sock') });
    t.after(() => link.stop());
    const { heard, listen, untilUpdate, untilChange } = listener();
    link.watch({ interface: 'eth0' }).subscribe(listen);
    const begun = await untilUpdate('a report', ({ type }) => type === 'report');
    assert.equal(heard[0], begun, 'the report comes first');

    Carp.start(lan, second, [group(10, 'other')]);
    const stranger = await untilChange('digest', { source: second.ipv4, digest: 'bad' });
    assert.ok(stranger.type === 'change' && stranger.change.event === 'digest');
    assert.equal(stranger.change.mac, second.mac);
    const dispute = await untilChange('two-masters');
    assert.ok(dispute.type === 'change');
    assert.equal(dispute.standing?.disputed, true);
    assert.deepEqual([...(dispute.standing?.masters ?? [])].sort(), [first.ipv4, second.ipv4].sort());

    carp.child.signal('SIGKILL');
    await carp.child.untilExit(5000);
    await untilUpdate('the problem', (update) => update.type === 'problem' && update.problem.code === 'CARP_NO_AGENT');
    const from = heard.length;
    carp = Carp.start(lan, first, [group(0)]);
    await untilUpdate('another report', ({ type }) => type === 'report', from);
  });

  test('needs no group: a forked agent hears loopback, and says which interface there is not, until there is one', {
    skip,
    timeout: 120_000,
  }, async (t) => {
    const supervisor = createSupervisor();
    t.after(() => supervisor.stop());
    const [present, absent] = [listener(), listener()];
    const one = supervisor.watch({ interface: 'lo' }).subscribe(present.listen);
    supervisor.watch({ interface: 'carp-none' }).subscribe(absent.listen);
    await present.untilUpdate('a report', ({ type }) => type === 'report');
    const problem = await absent.untilUpdate('a problem', ({ type }) => type === 'problem');
    assert.ok(problem.type === 'problem');
    assert.equal(problem.problem.code, 'CARP_NO_INTERFACE');
    assert.match(problem.problem.message, /carp-none/);
    // Nobody listens to loopback any more, and the agent is as well as before.
    one.unsubscribe();
    assert.deepEqual((await supervisor.status()).hosts, []);
  });
});
