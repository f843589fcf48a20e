/** What the registry tells the sidebar. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { NodeAPI } from 'node-red';
import type { Registry } from '../../nodes/registry.ts';
import { type FakeAgents, fakeAgents, group, helper, nodesOn, registryFor, role, sink, tab, until } from './fakes.ts';

const PLANT = { node: 'rpi1', group: 'plant' };

describe('the registry', () => {
  let agents: FakeAgents;
  let registry: Registry;
  beforeEach(() => {
    agents = fakeAgents();
  });
  afterEach(() => helper.unload());

  const load = async (flow: readonly object[], credentials: object = {}): Promise<void> => {
    const registryOf = registryFor(agents);
    const keeping = (RED: NodeAPI): Registry => {
      registry = registryOf(RED);
      return registry;
    };
    await helper.load(nodesOn(keeping), flow, credentials);
    await until(() => agents.forked.length + agents.connected.size > 0, 'an agent');
  };

  test('gives an overview of all groups, whatever runs them, without a secret', async () => {
    const service = { id: 's', type: 'carp-group', mode: 'service', group: 'office', host: 'rpi1' };
    const wrong = group({ id: 'w', name: 'my label', host: 'rpi3', vhid: 300 });
    const secrets = { g: { passphrase: 'sesame-1' }, w: { passphrase: 'sesame-2' } };
    await load([tab, group({ sync: 'site', peers: ['192.0.2.12'] }), service, wrong, role(), sink()], secrets);
    agents.own().tell(PLANT, 'MASTER');
    const overview = registry.overview();
    assert.deepEqual(
      overview.map(({ id, label, runs, view }) => [id, label, runs, view.event?.role ?? view.problem?.code]),
      [
        ['g', 'plant · rpi1', 'own', 'MASTER'],
        ['s', 'office · rpi1', 'service', undefined],
        ['w', 'my label', 'refused', 'CARP_CONFIG'],
      ],
    );
    const [own, other] = overview;
    assert.deepEqual(own?.settings, {
      interface: 'eth0',
      vhid: 10,
      addresses: ['192.0.2.100/24'],
      advbase: 1,
      advskew: 0,
      deadratio: 3,
      preempt: false,
      peers: ['192.0.2.12'],
      sync: 'site',
      addressing: 'interface',
      compatibility: 'auto',
      transport: 'memory',
    });
    assert.equal(other?.socket, '/run/carp/agent.sock');
    assert.doesNotMatch(JSON.stringify(overview), /sesame/);
  });

  test('says when the overview is another one', async () => {
    await load([tab, group(), role(), sink()]);
    let changes = 0;
    const subscription = registry.changes$.subscribe(() => {
      changes += 1;
    });
    agents.own().tell(PLANT, 'MASTER');
    assert.equal(changes, 1);
    agents.own().problems$.next({ ...PLANT, problem: { code: 'CARP_SEND', message: 'cannot send' } });
    assert.equal(changes, 2);
    await helper.setFlows([tab, group({ name: 'other label' }), role(), sink()], 'full');
    assert.ok(changes > 2);
    subscription.unsubscribe();
  });

  test('knows the whole status of a group, and asks once for all who want it at the same time', async () => {
    const second = group({ id: 'h', group: 'office', vhid: 20, addresses: [] });
    await load([tab, group(), second, role(), sink()]);
    agents.own().tell(PLANT, 'MASTER');
    agents.own().tell({ node: 'rpi1', group: 'office' }, 'BACKUP');
    const { status } = agents.own();
    let asked = 0;
    agents.own().status = () => {
      asked += 1;
      return status();
    };
    const both = await Promise.all([registry.statusOf('g'), registry.statusOf('h')]);
    assert.deepEqual([asked, both.map((one) => one.role)], [1, ['MASTER', 'BACKUP']]);
    await registry.statusOf('g');
    assert.equal(asked, 2);
    await assert.rejects(registry.statusOf('nobody'), { code: 'CARP_NO_GROUP' });
  });

  test('a group that the agent does not have yet has no status', async () => {
    await load([tab, group(), role(), sink()]);
    await assert.rejects(registry.statusOf('g'), { code: 'CARP_NO_GROUP', remedy: /try again/ });
  });

  test('hands every setting of a group to the agent', async () => {
    const settings = {
      mode: 'run',
      peers: ['192.0.2.12, 192.0.2.13', '192.0.2.14'],
      sync: 'site',
      compatibility: 'freebsd',
      checkTtl: 'ipv4',
      replay: 'off',
      transport: 'koffi',
      announceRefresh: '0',
    };
    await load([tab, group(settings), role(), sink()]);
    await until(() => agents.own().configured.length === 1, 'the configuration');
    const { name: _name, ...config } = agents.own().configured[0]?.hosts[0]?.groups[0] ?? {};
    const { mode: _mode, ...expected } = settings;
    const given = { ...expected, peers: ['192.0.2.12', '192.0.2.13', '192.0.2.14'], announceRefresh: 0 };
    assert.deepEqual(
      Object.fromEntries(Object.keys(given).map((key) => [key, config[key as keyof typeof config]])),
      given,
    );
  });
});
