/**
 * A carp-mqtt on an mqtt-broker node, in a real Node-RED, with the real agent and a real Mosquitto: whose settings the
 * connection has, which deploys make it anew, and what is seen of one that cannot be made.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import mqtt from 'mqtt';
import type { SidebarStatus } from '../../nodes/admin-api.ts';
import { freePorts, LocalBroker, missingForBroker } from '../support/broker-local.ts';
import type { Subscriber } from '../support/broker-subscriber.ts';
import { LocalNodeRed } from '../support/local-node-red.ts';
import { createAuthority, type Issued, type TestAuthority, tlsLines } from '../support/mqtt-tls.ts';
import { monotonicMs, until } from '../support/wait.ts';

const WITHIN_MS = 60_000;
const PASSWORD = 'SECRET-password';
const STATUS = 'carp/node/rpi1/status';
const STATE = 'carp/plant/node/rpi1/state';

interface Settings {
  readonly id: string;
  readonly type: string;
  readonly [name: string]: unknown;
}

const TAB = { id: 'tab', type: 'tab', label: 'plant' };
const GROUP = {
  id: 'g',
  type: 'carp-group',
  group: 'plant',
  host: 'rpi1',
  mode: 'simulate',
  interface: 'eth0',
  vhid: 10,
  addresses: ['192.0.2.100/24'],
  advbase: 0,
  advskew: '20',
  deadratio: 3,
  addressing: 'interface',
  mqtt: 'm',
};
const MQTT = {
  id: 'm',
  type: 'carp-mqtt',
  name: '',
  connection: 'broker',
  broker: 'b',
  url: '',
  base: 'carp',
  refresh: '1',
};
const TLS = { id: 't', type: 'tls-config', name: 'site CA', cert: '', key: '', ca: '', verifyservercert: true };
const comment = (name: string) => ({ id: 'c', type: 'comment', z: 'tab', name, info: '', x: 100, y: 100, wires: [] });

describe('carp-mqtt on an mqtt-broker node', { skip: missingForBroker(), timeout: 300_000 }, () => {
  const undo: (() => void | Promise<void>)[] = [];
  const scope = { after: (step: () => void | Promise<void>) => void undo.push(step) };
  let authority: TestAuthority;
  let tlsPort: number;
  let broker: LocalBroker;
  let subscriber: Subscriber;
  let nodeRed: LocalNodeRed;

  before(async () => {
    authority = createAuthority();
    scope.after(authority.remove);
    const [port = 0, secure = 0] = await freePorts(2);
    tlsPort = secure;
    const certificates = { authority, broker: authority.issue({ name: 'broker' }), requireCertificate: true };
    const lines = [`listener ${secure} 127.0.0.1`, ...tlsLines(certificates), 'use_identity_as_username true'];
    broker = await LocalBroker.start(scope, { port, lines });
    subscriber = await broker.subscribe('carp/#', 'spBv1.0/+/NBIRTH/+', 'homeassistant/#');
    nodeRed = await LocalNodeRed.start(scope);
  });
  after(async () => {
    for (const step of undo.reverse()) await step();
  });

  /** An mqtt-broker that no flow uses. */
  const brokerNode = (more: object = {}): Settings => ({
    id: 'b',
    type: 'mqtt-broker',
    name: 'site',
    broker: '127.0.0.1',
    port: String(broker.port),
    clientid: 'flows',
    autoConnect: true,
    usetls: false,
    protocolVersion: '5',
    keepalive: '60',
    cleansession: true,
    willTopic: 'carp/of/the/flows',
    willPayload: 'gone',
    ...more,
  });
  const secured = (more: object = {}): Settings =>
    brokerNode({ broker: 'localhost', port: String(tlsPort), usetls: true, tls: 't', ...more });
  const withCertificate = ({ cert, key }: Issued, ca = authority.ca): Settings => ({
    ...TLS,
    credentials: { certdata: cert, keydata: key, cadata: ca },
  });

  /** Lines of the broker about clients that it let in, but for the subscriber of this test. */
  const clients = (): readonly string[] =>
    broker.log.flatMap((line) => {
      const client = / as (.*)\.$/.exec(/New client connected .*/.exec(line)?.[0] ?? '')?.[1];
      return client === undefined || client.startsWith('ear-') ? [] : [client];
    });
  const untilClients = (count: number): Promise<readonly string[]> =>
    until(
      `${count} connections`,
      WITHIN_MS,
      () => clients().length >= count && clients(),
      () => `${broker.log.join('\n')}\n${nodeRed.child.report()}`,
    );
  /** Two more refreshes of the state: a connection that was to end would have ended. */
  const untilSettled = async (): Promise<void> => {
    const first = await subscriber.untilMessage(STATE, (payload) => payload !== '', WITHIN_MS, monotonicMs());
    await subscriber.untilMessage(STATE, (payload) => payload !== '', WITHIN_MS, first.at + 900);
  };
  const card = async () => {
    const { groups } = await nodeRed.get<SidebarStatus>('carp/status');
    const [one] = groups;
    assert.ok(one, 'no group');
    return one;
  };
  const lines = (): readonly string[] => [...nodeRed.child.stdout, ...nodeRed.child.stderr].map(({ text }) => text);

  test('connects as that node would, with a client id, a keepalive and a last will of its own', async () => {
    const from = monotonicMs();
    await nodeRed.deploy([TAB, { ...brokerNode(), credentials: { user: 'plc', password: PASSWORD } }, MQTT, GROUP]);
    await subscriber.untilMessage(STATUS, 'online', WITHIN_MS, from);
    const [client, ...others] = clients();
    assert.match(client ?? '', /^carp-rpi1-[0-9a-f]{8} \(p5, c1, k5, u'plc'\)$/);
    assert.deepEqual(others, [], 'nobody else connects because of us');
    await subscriber.untilMessage('carp/plant/node/rpi1/role', 'MASTER', WITHIN_MS, from);
    await until('the connection on the card', WITHIN_MS, async () => (await card()).bus?.connected === true);
    assert.equal((await card()).bus?.broker, broker.url);
  });

  test('is left alone by deploys that have nothing to do with it', async () => {
    const flow = [TAB, brokerNode(), MQTT, GROUP];
    await nodeRed.deploy([...flow, comment('one')], 'full');
    await nodeRed.deploy([...flow, comment('two')], 'nodes');
    await nodeRed.deploy([...flow, comment('three')], 'flows');
    await nodeRed.deploy([...flow.slice(0, 1), brokerNode({ name: 'a better name' }), MQTT, GROUP], 'full');
    await untilSettled();
    assert.equal(clients().length, 1);
  });

  test('connects anew when that node has another port and TLS, in a deploy of nodes', async () => {
    const from = monotonicMs();
    const first = authority.issue({ name: 'plc-one' });
    await nodeRed.deploy([TAB, withCertificate(first), secured({ protocolVersion: '4' }), MQTT, GROUP], 'nodes');
    const [, client] = await untilClients(2);
    assert.match(client ?? '', /^carp-rpi1-[0-9a-f]{8} \(p2, c1, k5, u'plc-one'\)$/);
    const offline = await subscriber.untilMessage(STATUS, 'offline', WITHIN_MS, from);
    await subscriber.untilMessage(STATUS, 'online', WITHIN_MS, offline.at);
  });

  test('and when only the TLS configuration behind that node has another certificate, in a deploy of flows', async () => {
    const from = monotonicMs();
    const second = authority.issue({ name: 'plc-two' });
    await nodeRed.deploy([TAB, withCertificate(second), secured(), MQTT, GROUP], 'flows');
    const [, , client] = await untilClients(3);
    assert.match(client ?? '', /\(p5, c1, k5, u'plc-two'\)$/);
    await subscriber.untilMessage(STATUS, 'online', WITHIN_MS, from);
    await nodeRed.deploy([TAB, TLS, secured(), MQTT, GROUP, comment('four')], 'full');
    await untilSettled();
    assert.equal(clients().length, 3);
  });

  test('of a broker that nobody trusts: the log names node and broker, the card says why, and the group goes on', async () => {
    const { seq } = (await card()).status ?? {};
    const stranger = createAuthority('Somebody else');
    scope.after(stranger.remove);
    const third = authority.issue({ name: 'plc-three' });
    await nodeRed.deploy([TAB, withCertificate(third, stranger.ca), secured(), MQTT, GROUP], 'full');
    const url = `mqtts://localhost:${tlsPort}`;
    await until('the reason on the card', WITHIN_MS, async () => (await card()).bus?.problem !== undefined);
    const { bus, view, status } = await card();
    assert.equal(bus?.connected, false);
    assert.match(bus?.problem ?? '', /certificate/i);
    assert.deepEqual([view.problem, status?.problem], [undefined, undefined]);
    assert.deepEqual([status?.role, status?.seq], ['MASTER', seq]);
    await until('the line in the log', WITHIN_MS, () =>
      lines().find((line) => /\[warn\] \[carp\]/.test(line) && line.includes('rpi1') && line.includes(url)),
    );
  });

  test('obeys the commands that are ticked and no other, and tells Home Assistant and Sparkplug if that is wished', async () => {
    const from = monotonicMs();
    const wishes = { ...MQTT, commands: ['mode'], homeAssistant: true, sparkplug: 'Plant' };
    await nodeRed.deploy([TAB, { ...brokerNode(), credentials: { user: 'plc', password: PASSWORD } }, wishes, GROUP]);
    await subscriber.untilMessage(STATUS, 'online', WITHIN_MS, from);
    const isDiscovery = (payload: string): boolean => payload.includes('carp/plant/node/rpi1/role');
    await until('the device of Home Assistant', WITHIN_MS, () =>
      subscriber
        .messages()
        .some(({ topic, payload }) => /^homeassistant\/device\//.test(topic) && isDiscovery(payload)),
    );
    await until('the birth of Sparkplug', WITHIN_MS, () =>
      subscriber.messages().some(({ topic }) => topic === 'spBv1.0/Plant/NBIRTH/rpi1'),
    );

    const client = mqtt.connect(broker.url, { clientId: 'ear-operator', protocolVersion: 5 });
    scope.after(() => client.endAsync(true));
    const place = 'carp/plant/node/rpi1';
    await client.publishAsync(`${place}/mode/set`, 'maintenance', { qos: 1 });
    await subscriber.untilMessage(`${place}/mode`, 'maintenance', WITHIN_MS, from);
    await client.publishAsync(`${place}/cmd/hand-over`, '', { qos: 1 });
    const answer = await subscriber.untilMessage(
      `${place}/cmd/result`,
      (payload) => payload.includes('CARP_NOT_ALLOWED'),
      WITHIN_MS,
      from,
    );
    assert.match(answer.payload, /"ok":false/);
    await client.publishAsync(`${place}/mode/set`, 'normal', { qos: 1 });
    await subscriber.untilMessage(`${place}/mode`, 'normal', WITHIN_MS, answer.at);
  });

  test('that was deleted: one error of the carp-mqtt node, and the group goes on', async () => {
    const { seq } = (await card()).status ?? {};
    const errors = (): readonly string[] => lines().filter((line) => /\[error\] \[carp-mqtt:/.test(line));
    await nodeRed.deploy([TAB, MQTT, GROUP], 'full');
    await nodeRed.deploy([TAB, MQTT, GROUP, comment('five')], 'full');
    await until('the error', WITHIN_MS, () => errors().length > 0);
    assert.equal(errors().length, 1);
    assert.match(errors()[0] ?? '', /mqtt-broker node .* is not there/);
    await until('no broker on the card', WITHIN_MS, async () => (await card()).bus === undefined);
    const { mqttProblem, view, status } = await card();
    assert.match(mqttProblem?.remedy ?? '', /choose another one/);
    assert.equal(view.problem, undefined);
    assert.deepEqual([status?.role, status?.seq], ['MASTER', seq]);
  });

  test('and came back: published again, and none of its secrets has been said aloud', async () => {
    const from = monotonicMs();
    const node = { ...brokerNode(), credentials: { user: 'plc', password: PASSWORD } };
    await nodeRed.deploy([TAB, node, MQTT, GROUP], 'full');
    await subscriber.untilMessage(STATUS, 'online', WITHIN_MS, from);
    await until('no problem on the card', WITHIN_MS, async () => (await card()).mqttProblem === undefined);
    const said = [...lines(), JSON.stringify(await card())].join('\n');
    assert.ok(!said.includes(PASSWORD));
    assert.doesNotMatch(said, /PRIVATE KEY|BEGIN CERTIFICATE/);
    assert.deepEqual(
      subscriber.messages().filter(({ topic }) => topic === 'carp/of/the/flows'),
      [],
    );
  });
});
