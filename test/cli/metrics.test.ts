import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Child } from '../support/child.ts';
import { type ReadFamily, readExposition, valueIn } from '../support/exposition.ts';
import { freePort, get, hasIpv6, RawClient } from '../support/http-socket.ts';
import { until } from '../support/wait.ts';
import { carp } from './carp.ts';

const CARP = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const START_MS = 20_000;
const WAIT_MS = 15_000;

const folder = mkdtempSync(join(tmpdir(), 'carp-metrics-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

const plant = {
  name: 'plant',
  interface: 'lan',
  vhid: 10,
  pass: 'correct-horse-19',
  addresses: ['192.0.2.100/24'],
  transport: 'memory',
};

interface Running {
  readonly child: Child;
  /** Another configuration, and the signal to read it. */
  readonly reload: (more: object) => void;
}

const run = (t: TestContext, more: object, group: object = plant): Running => {
  files += 1;
  const place = join(folder, String(files));
  const file = `${place}.yaml`;
  const write = (extra: object): void =>
    writeFileSync(
      file,
      JSON.stringify({ node: 'rpi1', socket: `${place}.sock`, state: place, groups: [group], ...extra }),
    );
  write(more);
  const child = new Child('carp', [process.execPath, CARP, 'run', '-c', file]);
  t.after(() => child.stop('SIGKILL'));
  return {
    child,
    reload: (extra) => {
      write(extra);
      child.signal('SIGHUP');
    },
  };
};

const untilMaster = ({ child }: Running): Promise<unknown> => child.untilLine(/BACKUP -> MASTER/, START_MS);

const scrape = async (port: number, host?: string): Promise<readonly ReadFamily[]> => {
  const { status, headers, body } = await get(port, '/metrics', '', host);
  assert.deepEqual([status, headers['content-type']], [200, 'text/plain; version=0.0.4; charset=utf-8']);
  return readExposition(body, 'prometheus');
};

const untilServed = (port: number, host?: string): Promise<unknown> =>
  until('an answer', WAIT_MS, async () => (await get(port, '/', '', host)).status === 200);

const lateness = (families: readonly ReadFamily[], le: string): number =>
  valueIn(families, 'carp_advert_lateness_seconds_bucket', { group: 'plant', le });

test('a running agent tells role, adverts and their lateness, and its counters move', async (t) => {
  const port = await freePort();
  const agent = run(t, { metrics: { port } });
  await untilMaster(agent);
  const early = await scrape(port);
  assert.equal(valueIn(early, 'carp_group_role', { node: 'rpi1', group: 'plant', vhid: '10', role: 'MASTER' }), 1);
  assert.equal(valueIn(early, 'carp_group_transitions_total', { to: 'MASTER' }), 1);
  const sent = valueIn(early, 'carp_adverts_sent_total', { group: 'plant' });
  const late = await until('more adverts', WAIT_MS, async () => {
    const families = await scrape(port);
    return valueIn(families, 'carp_adverts_sent_total', { group: 'plant' }) >= sent + 2 && families;
  });
  const count = valueIn(late, 'carp_advert_lateness_seconds_count', { group: 'plant' });
  assert.ok(count >= 2);
  assert.ok(valueIn(late, 'carp_advert_lateness_seconds_sum', { group: 'plant' }) > 0);
  const { status, headers, body } = await get(port, '/metrics', 'Accept: application/openmetrics-text\r\n');
  assert.deepEqual(
    [status, headers['content-type']],
    [200, 'application/openmetrics-text; version=1.0.0; charset=utf-8'],
  );
  assert.ok(readExposition(body, 'openmetrics').length > 15);
  assert.equal((await get(port, '/healthz?master=plant')).status, 200);
  const mqtt = late.filter(({ name }) => name.startsWith('carp_mqtt'));
  assert.deepEqual(mqtt, []);
});

test('an agent that was frozen says how late its adverts were', async (t) => {
  const port = await freePort();
  const agent = run(t, { metrics: { port } }, { ...plant, advbase: 2 });
  await untilMaster(agent);
  await until('a punctual advert', WAIT_MS, async () => lateness(await scrape(port), '+Inf') >= 1);
  const before = await scrape(port);
  agent.child.signal('SIGSTOP');
  // Longer than an interval, so that an advert falls due meanwhile, and half a second on top of it.
  const begun = performance.now();
  await until('the end of the freeze', WAIT_MS, () => performance.now() - begun > 2600);
  agent.child.signal('SIGCONT');
  const after = await until('a late advert', WAIT_MS, async () => {
    const families = await scrape(port);
    return lateness(families, '+Inf') > lateness(before, '+Inf') && families;
  });
  const slow = (families: readonly ReadFamily[]): number => lateness(families, '+Inf') - lateness(families, '0.5');
  assert.ok(slow(after) > slow(before), JSON.stringify([slow(before), slow(after)]));
});

test('SIGHUP moves the address, takes it away and brings it back, and the group stays MASTER', async (t) => {
  const [one, other] = [await freePort(), await freePort()];
  const agent = run(t, { metrics: { port: one } });
  await untilMaster(agent);
  await untilServed(one);
  agent.reload({ metrics: { port: other } });
  await untilServed(other);
  const refused = new RawClient(one);
  await refused.untilClosed(WAIT_MS);
  assert.equal(refused.connected, false);
  agent.reload({});
  await until('silence', WAIT_MS, async () => {
    const client = new RawClient(other);
    client.say('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await client.untilClosed(WAIT_MS);
    return !client.connected;
  });
  agent.reload({ metrics: { port: one } });
  await untilServed(one);
  assert.equal(valueIn(await scrape(one), 'carp_group_transitions_total', { to: 'MASTER' }), 1);
  assert.equal(agent.child.stdout.length, 2, agent.child.report());
});

test('a port that is taken costs one line, and is used when it is free', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as { readonly port: number };
  t.after(() => void holder.close());
  const agent = run(t, { metrics: { port } });
  await untilMaster(agent);
  const line = `no metrics: http://127.0.0.1:${port}: another program has this port; choose another`;
  await agent.child.untilLine(new RegExp(line.replaceAll('.', '\\.')), WAIT_MS);
  assert.equal(agent.child.stderr.length, 1, agent.child.report());
  holder.close();
  await agent.child.untilLine(/metrics are served on 127\.0\.0\.1/, WAIT_MS);
  await untilServed(port);
});

test('a broker that is away is seen, and is no reason to be unhealthy', async (t) => {
  const port = await freePort();
  const agent = run(t, { metrics: { port }, mqtt: { url: `mqtt://127.0.0.1:${await freePort()}` } });
  await untilMaster(agent);
  const families = await until('the library to be loaded', WAIT_MS, async () => {
    const all = await scrape(port);
    return all.some(({ name }) => name === 'carp_mqtt_connected') && all;
  });
  assert.equal(valueIn(families, 'carp_mqtt_connected', { node: 'rpi1' }), 0);
  assert.ok(valueIn(families, 'carp_mqtt_queue_length', { node: 'rpi1' }) > 0);
  assert.equal((await get(port, '/healthz')).status, 200);
});

test('an IPv6 address can be named', async (t) => {
  if (!(await hasIpv6())) return t.skip('needs ::1 on this machine');
  const port = await freePort('::1');
  const agent = run(t, { metrics: { port, address: '::1' } });
  await untilMaster(agent);
  await untilServed(port, '::1');
  assert.ok((await scrape(port, '::1')).length > 15);
});

test('open connections do not keep the agent from ending', async (t) => {
  const port = await freePort();
  const agent = run(t, { metrics: { port } });
  await untilMaster(agent);
  await untilServed(port);
  const idle = Array.from({ length: 8 }, () => new RawClient(port));
  t.after(() => {
    for (const { socket } of idle) socket.destroy();
  });
  await until('connections', WAIT_MS, () => idle.every(({ socket }) => !socket.connecting));
  agent.child.signal('SIGTERM');
  // A stop without a successor takes one second.
  assert.equal((await agent.child.untilExit(4000)).code, 0);
});

test('carp check warns of an address that others reach', async () => {
  const file = join(folder, 'check.yaml');
  writeFileSync(file, JSON.stringify({ metrics: { port: 9112, address: '0.0.0.0' }, groups: [plant] }));
  const { code, stderr } = await carp(['check', '-c', file]);
  assert.equal(code, 0);
  assert.match(stderr, /metrics\.address: others than this host reach it/);
});
