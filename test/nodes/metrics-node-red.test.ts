/** Metrics of the agent that a real Node-RED has started, by its settings.js. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ReadFamily, readExposition, valueIn } from '../support/exposition.ts';
import { freePort, get, RawClient } from '../support/http-socket.ts';
import { LocalNodeRed } from '../support/local-node-red.ts';
import { until } from '../support/wait.ts';

const WAIT_MS = 60_000;
const SECRET = 'correct-horse-19';

const group = (host: string, advskew: string) => ({
  id: `group-${host}`,
  type: 'carp-group',
  group: 'plant',
  host,
  mode: 'simulate',
  interface: 'eth0',
  vhid: 10,
  addresses: ['192.0.2.100/24'],
  advbase: 1,
  advskew,
  deadratio: 3,
  addressing: 'interface',
  credentials: { passphrase: SECRET },
});
const TAB = { id: 'tab', type: 'tab', label: 'plant' };
const comment = (name: string) => ({ id: 'c', type: 'comment', z: 'tab', name, info: '', x: 100, y: 100, wires: [] });
const role = (host: string) => ({
  id: `role-${host}`,
  type: 'carp-role',
  z: 'tab',
  group: `group-${host}`,
  outputs: 1,
  x: 100,
  y: 200,
  wires: [[]],
});
const flow = (name: string): readonly object[] => [
  TAB,
  comment(name),
  group('rpi1', '0'),
  group('rpi2', '100'),
  role('rpi1'),
  role('rpi2'),
];

test('carpMetrics serves all hosts of the agent, across deploys, and ends with Node-RED', async (t) => {
  const port = await freePort();
  const nodeRed = await LocalNodeRed.start(t, { settings: { carpMetrics: { port } } });
  await nodeRed.deploy(flow('one'));
  const scrape = async (): Promise<readonly ReadFamily[] | undefined> => {
    const { status, body } = await get(port, '/metrics');
    return status === 200 ? readExposition(body, 'prometheus') : undefined;
  };
  const isRole = (families: readonly ReadFamily[], node: string, is: string): boolean =>
    valueIn(families, 'carp_group_role', { node, group: 'plant', role: is }) === 1;
  const before = await until(
    'a MASTER and a BACKUP',
    WAIT_MS,
    async () => {
      const families = await scrape();
      if (families === undefined || !families.some(({ name }) => name === 'carp_group_role')) return undefined;
      return isRole(families, 'rpi1', 'MASTER') && isRole(families, 'rpi2', 'BACKUP') && families;
    },
    () => nodeRed.child.report(),
  );
  assert.equal((await get(port, '/healthz?master=plant&node=rpi2')).status, 503);
  assert.ok(!(await get(port, '/metrics')).body.includes(SECRET));

  await nodeRed.deploy(flow('two'));
  const after = await scrape();
  const transitions = (families: readonly ReadFamily[] | undefined): number =>
    valueIn(families ?? [], 'carp_group_transitions_total', { node: 'rpi1', to: 'MASTER' });
  assert.equal(transitions(after), transitions(before));
  assert.deepEqual(
    nodeRed.problems().filter((line) => line.includes('metrics')),
    [],
  );

  await nodeRed.child.stop();
  await until('the agent to end', WAIT_MS, async () => {
    const client = new RawClient(port);
    await client.untilClosed(WAIT_MS);
    return !client.connected;
  });
});
