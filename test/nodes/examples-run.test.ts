/**
 * All examples at once in one real Node-RED, as after eight imports and a deploy: each does what its comment says, and
 * none is in the way of another. Buttons are pressed as in the editor; what debug nodes get is read from the log.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import mqtt from 'mqtt';
import { type Listener, listenTo, startAedes, type TestBroker } from '../adapters/mqtt-brokers.ts';
import { ROOT } from '../support/built.ts';
import { LocalNodeRed, probed, type Seen } from '../support/local-node-red.ts';
import { until } from '../support/wait.ts';

interface ExampleNode {
  readonly id: string;
  readonly z?: string;
  readonly type: string;
  readonly name?: string;
  readonly label?: string;
}

const WITHIN_MS = 60_000;
/** A hand-over that nobody answers is given up after 1.5 s. */
const AGAIN_MS = 3000;
const folder = join(ROOT, 'examples');
const flows = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .flatMap((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as readonly ExampleNode[]);

describe('the examples, all in one Node-RED', { concurrency: true, timeout: 300_000 }, () => {
  const undo: (() => void | Promise<void>)[] = [];
  let broker: TestBroker;
  let listener: Listener;
  let nodeRed: LocalNodeRed;

  before(async () => {
    broker = await startAedes();
    undo.push(() => broker.stop());
    listener = await listenTo(broker.url);
    undo.push(() => listener.close());
    const publisher = mqtt.connect(broker.url, { protocolVersion: 4 });
    await publisher.publishAsync('carp/line/maintenance/set', 'ON', { qos: 1, retain: true });
    await publisher.endAsync();
    const service = createServer(({ url }, response) => {
      response.statusCode = url === '/' ? 200 : 404;
      response.end();
    });
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
    undo.push(() => {
      service.closeAllConnections();
      service.close();
    });
    nodeRed = await LocalNodeRed.start(
      { after: (step) => void undo.push(step) },
      {
        flow: probed(flows),
        env: {
          CARP_DEMO_MQTT_PORT: String(broker.port),
          CARP_DEMO_SERVICE: `http://127.0.0.1:${(service.address() as AddressInfo).port}/`,
        },
      },
    );
  });
  after(async () => {
    for (const step of undo.reverse()) await step();
  });

  const idOf = (tab: string, name: string): string => {
    const { id: z } = flows.find(({ type, label }) => type === 'tab' && label === tab) ?? {};
    const found = flows.find((node) => node.type === 'inject' && node.z === z && node.name === name);
    if (found === undefined) throw new Error(`there is no button "${name}" on the tab "${tab}"`);
    return found.id;
  };
  const press = (tab: string, name: string): Promise<void> => nodeRed.press(idOf(tab, name));
  /** As somebody does who sees nothing happen. */
  const pressUntil = async (tab: string, name: string, happened: () => boolean): Promise<void> => {
    for (let tries = 0; tries < 10 && !happened(); tries += 1) {
      await press(tab, name);
      await until(name, AGAIN_MS, happened).catch(() => undefined);
    }
  };
  /** Waits for a sight, from a place in the log on. Returns the place after it. */
  const untilSeen = async (what: string, matches: (seen: Seen) => boolean, from = 0): Promise<number> => {
    const found = await until(
      what,
      WITHIN_MS,
      () => {
        const index = nodeRed.seen().findIndex((seen, i) => i >= from && matches(seen));
        return index < 0 ? undefined : { index };
      },
      () => nodeRed.child.report(),
    );
    return found.index + 1;
  };
  const role = (node: string, wanted: string, from = 0, group?: string): Promise<number> =>
    untilSeen(
      `${node} as ${wanted}`,
      (seen) => seen.node === node && seen.payload === wanted && (group === undefined || seen.group === group),
      from,
    );
  const heard = (topic: string, payload: string): Promise<unknown> =>
    until(
      `${payload} on ${topic}`,
      WITHIN_MS,
      () => listener.last(topic) === payload,
      () => JSON.stringify(listener.heard.slice(-20)),
    );

  test('first failover: the plug is pulled, plugged in, and the MASTER hands over', async () => {
    const tab = 'First failover';
    let at = await role('rpi1', 'MASTER');
    await role('rpi2', 'BACKUP');
    await press(tab, 'Pull the plug of rpi1');
    at = await role('rpi2', 'MASTER', at);
    assert.equal(nodeRed.seen()[at - 1]?.reason, 'master-timeout');
    await press(tab, 'Plug it in again');
    at = await role('rpi1', 'BACKUP', at);
    // One that has just come back follows nobody until it has heard an advert, and then it cannot take over yet.
    const from = at;
    await pressUntil(tab, 'Hand over to rpi1', () =>
      nodeRed
        .seen()
        .slice(from)
        .some(({ node, payload }) => node === 'rpi1' && payload === 'MASTER'),
    );
    at = await role('rpi1', 'MASTER', at);
    assert.equal(nodeRed.seen()[at - 1]?.reason, 'bow-out-heard');
    await heard('carp/plant/node/rpi1/role', 'MASTER');
    await untilSeen('MQTT in the flow', ({ at: where }) => where === 'on MQTT');
  });

  test('run jobs only on the MASTER: the job moves with the role', async () => {
    const tab = 'Run jobs only on the MASTER';
    const jobs = (host: string) => nodeRed.seen().filter(({ at }) => at === `job on ${host}`).length;
    await until(
      'two jobs on plc1',
      WITHIN_MS,
      () => jobs('plc1') >= 2,
      () => nodeRed.child.report(),
    );
    assert.equal(jobs('plc2'), 0);
    await press(tab, 'Pull the plug of plc1');
    await until(
      'two jobs on plc2',
      WITHIN_MS,
      () => jobs('plc2') >= 2,
      () => nodeRed.child.report(),
    );
    const before = jobs('plc1');
    await press(tab, 'Plug it in again');
    const later = jobs('plc2') + 2;
    await until('more jobs on plc2', WITHIN_MS, () => jobs('plc2') >= later);
    assert.equal(jobs('plc1'), before);
  });

  test('role to MQTT and Home Assistant: the agent tells both, and the flow a topic of its own', async () => {
    const topic = 'carp/house/node/ha1/role';
    await heard(topic, 'MASTER');
    await heard('home/ha1/role', 'MASTER');
    await heard('carp/node/ha1/status', 'online');
    const discovery = () =>
      listener.heard.find(
        (message) => /^homeassistant\/device\/[\w-]+\/config$/.test(message.topic) && message.payload.includes(topic),
      );
    const device = await until('discovery', WITHIN_MS, discovery, () => JSON.stringify(listener.heard.slice(-20)));
    await untilSeen('discovery in the flow', ({ at }) => at === 'what Home Assistant is told');
    await untilSeen('the role in the flow', ({ at, payload }) => at === 'what the agent tells' && payload === 'MASTER');
    // Somebody who comes later is told as well.
    const late = await listenTo(broker.url);
    undo.push(() => late.close());
    const isTold = (wanted: string, payload: string): boolean =>
      late.heard.some((message) => message.topic === wanted && message.payload === payload && message.retain);
    await until(
      'what is retained',
      WITHIN_MS,
      () => isTold(topic, 'MASTER') && isTold('home/ha1/role', 'MASTER') && isTold(device.topic, device.payload),
    );
  });

  test('takeover playbook: the service is started, stopped, and somebody is told why', async () => {
    const done = (text: string, from = 0) =>
      untilSeen(text, ({ at, payload }) => at === 'what was done' && String(payload).trim() === text, from);
    const at = await done('my-service is started');
    const told = await untilSeen(
      'a notice',
      ({ at: where, payload }) => where === 'notify' && /nas1 is MASTER/.test(String(payload)),
    );
    await press('Takeover playbook', 'Hand over');
    await done('my-service is stopped', at);
    await untilSeen(
      'a notice',
      ({ at: where, payload }) => where === 'notify' && /nas1 is BACKUP: hand-over/.test(String(payload)),
      told,
    );
  });

  test('health check drives failover: two bad answers move the address, and mending does not move it back', async () => {
    const tab = 'Health check drives failover';
    const at = await role('web1', 'MASTER');
    await press(tab, 'Break it');
    await role('web2', 'MASTER', at);
    await role('web1', 'BACKUP', at);
    const reasons = nodeRed.seen().flatMap(({ node, reason }) => (node === 'web2' ? [reason] : []));
    assert.ok(reasons.includes('bow-out-heard') && !reasons.includes('master-timeout'), `${reasons}`);
    // The service is well again, and web1 could be MASTER: its demotion goes, the address stays.
    await press(tab, 'Mend it');
  });

  test('watch my OPNsense pair: who is MASTER, who fell silent, and who took over', async () => {
    const watched = (word: string, from = 0) =>
      untilSeen(word, ({ at, payload }) => at === 'heard' && payload === word, from);
    const at = await watched('master');
    await press('Watch my OPNsense pair', 'Pull the plug of fw1');
    await watched('master', at);
  });

  test('maintenance button: on hands over, off ends it, and retained commands are refused', async () => {
    const state = 'carp/line/maintenance';
    const at = await role('edge1', 'MASTER');
    // An ON was there, retained, when the flow connected.
    assert.equal(listener.last(`${state}/set`), 'ON');
    assert.equal(listener.last(state), undefined);
    const client = mqtt.connect(broker.url, { protocolVersion: 4 });
    undo.push(() => client.endAsync(true));
    await client.publishAsync(`${state}/set`, 'ON', { qos: 1 });
    await heard(state, 'ON');
    const left = await role('edge1', 'BACKUP', at);
    assert.equal(nodeRed.seen()[left - 1]?.reason, 'maintenance');
    await press('Maintenance button', 'Maintenance off');
    await heard(state, 'OFF');
    assert.match(listener.last('homeassistant/switch/carp_edge1_line/config') ?? '', /carp\/line\/maintenance\/set/);
  });

  test('two groups, two masters: each host holds one address, and both when it is alone', async () => {
    const tab = 'Two groups, two masters';
    const at = Math.max(await role('web-a', 'MASTER', 0, 'blue'), await role('web-b', 'MASTER', 0, 'green'));
    await press(tab, 'Pull the plug of web-a');
    const alone = await role('web-b', 'MASTER', at, 'blue');
    await press(tab, 'Plug it in again');
    const back = await role('web-a', 'MASTER', alone, 'blue');
    await role('web-b', 'BACKUP', alone, 'blue');
    assert.ok(
      !nodeRed
        .seen()
        .slice(at, back)
        .some(({ node, group, payload }) => node === 'web-b' && group === 'green' && payload !== 'MASTER'),
    );
  });
});
