import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Child } from '../support/child.ts';
import { type ReadFamily, readExposition, samplesOf } from '../support/exposition.ts';
import { freePort, get, RawClient } from '../support/http-socket.ts';
import { until } from '../support/wait.ts';

const CARP = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const START_MS = 30_000;
const WAIT_MS = 20_000;
/** Groups, each with an advert a second: enough adverts to see a delay that comes now and then. */
const GROUPS = 30;
const CONNECTIONS = 1000;
const FLOOD_MS = 6000;
/** A machine that is busy with other tests is late by itself; a takeover would need three seconds. */
const LATE_MAX = '0.5';

const folder = mkdtempSync(join(tmpdir(), 'carp-flood-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const total = (families: readonly ReadFamily[], le: string): number =>
  samplesOf(families, 'carp_advert_lateness_seconds_bucket', { le }).reduce((sum, { value }) => sum + value, 0);

/** As much as is read at once. */
const MANY = 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1800);

test('a thousand connections, silent, slow, deaf or greedy, delay no advert and change no role', {
  timeout: 180_000,
}, async (t) => {
  const port = await freePort();
  const groups = Array.from({ length: GROUPS }, (_, i) => ({
    name: `g${i}`,
    interface: 'lan',
    vhid: i + 1,
    pass: 'correct-horse-19',
    addresses: [`192.0.2.${100 + i}/24`],
    transport: 'memory',
  }));
  const file = join(folder, 'carp.yaml');
  const config = { node: 'rpi1', socket: join(folder, 'agent.sock'), state: folder, metrics: { port }, groups };
  writeFileSync(file, JSON.stringify(config));
  const child = new Child('carp', [process.execPath, CARP, 'run', '-c', file]);
  t.after(() => child.stop('SIGKILL'));
  await until('all to be MASTER', START_MS, () => child.stdout.length >= 2 * GROUPS);

  const scrape = async (): Promise<readonly ReadFamily[]> => {
    // In a flood an answer may be cut: whoever means well asks again.
    const reply = await until('a whole answer', WAIT_MS, async () => {
      const { status, headers, body } = await get(port, '/metrics');
      return status === 200 && Number(headers['content-length']) === Buffer.byteLength(body) && body;
    });
    return readExposition(reply, 'prometheus');
  };

  const before = await scrape();
  const clients = new Set<RawClient>();
  t.after(() => {
    for (const { socket } of clients) socket.destroy();
  });
  let made = 0;
  const connect = (): void => {
    const client = new RawClient(port);
    made += 1;
    clients.add(client);
    client.socket.once('close', () => clients.delete(client));
    if (made % 4 === 1) client.say('GET /metrics HT');
    if (made % 4 === 2) client.say(MANY);
    if (made % 4 === 3) {
      client.socket.pause();
      client.say('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
    }
  };
  const end = performance.now() + FLOOD_MS;
  while (performance.now() < end || made < CONNECTIONS) {
    for (let i = 0; i < 50 && clients.size < CONNECTIONS; i += 1) connect();
    await delay(20);
  }
  const during = await scrape();
  const adverts = total(during, '+Inf') - total(before, '+Inf');
  const late = adverts - (total(during, LATE_MAX) - total(before, LATE_MAX));
  const punctual = total(during, '0.01') - total(before, '0.01');
  t.diagnostic(`${made} connections, ${adverts} adverts, ${punctual} within 10 ms, ${late} later than ${LATE_MAX} s`);
  assert.ok(adverts >= GROUPS * 3, `${adverts} adverts`);
  assert.equal(late, 0);
  assert.equal(child.stdout.length, 2 * GROUPS, child.report());
  assert.deepEqual(child.stderr, []);
});
