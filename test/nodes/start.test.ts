import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import mqtt from 'mqtt';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const script = join(root, 'dist', 'src', 'dev', 'start.js');
const WAIT_MS = 30_000;

/** Undone after each test, last first, also when it failed. */
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const until = async (what: string, condition: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + WAIT_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${WAIT_MS} ms in vain until ${what}`);
    await delay(20);
  }
};

const listening = async (port: number): Promise<() => Promise<void>> => {
  const server = createServer((socket) => socket.destroy());
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return () => new Promise((resolve) => server.close(() => resolve()));
};

const isFree = async (port: number): Promise<boolean> => {
  const close = await listening(port).catch(() => undefined);
  await close?.();
  return close !== undefined;
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
};

interface Demo {
  readonly child: ChildProcess;
  readonly port: number;
  readonly mqttPort: number;
  /** Where it may leave temporary files, and must not. */
  readonly temporary: string;
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

const launch = async (
  overrides: Readonly<Record<string, string>> = {},
  wrapper: readonly string[] = [],
): Promise<Demo> => {
  const [port, mqttPort] = [await freePort(), await freePort()];
  const temporary = mkdtempSync(join(tmpdir(), 'carp-start-test-'));
  undo.push(() => rmSync(temporary, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));
  const child = spawn(process.execPath, [...wrapper, script], {
    env: { ...process.env, PORT: String(port), MQTT_PORT: String(mqttPort), TMPDIR: temporary, ...overrides },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
    });
  const ended = once(child, 'close').then(([code]: (number | null)[]) => code ?? null);
  undo.push(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  return { child, port, mqttPort, temporary, output: () => output, ended };
};

const ready = async (demo: Demo): Promise<void> => {
  await until('the demo is ready', () => demo.output().includes('Ctrl-C ends it') || demo.child.exitCode !== null);
  assert.equal(demo.child.exitCode, null, demo.output());
};

const gone = (demo: Demo): Promise<void> =>
  until(
    'everything has ended',
    async () => (await isFree(demo.port)) && (await isFree(demo.mqttPort)) && readdirSync(demo.temporary).length === 0,
  );

interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly name?: string;
}

const flow = (): readonly FlowNode[] => JSON.parse(readFileSync(join(root, 'examples', 'first-failover.json'), 'utf8'));

test('npm start shows the editor with all nodes of this package, and a takeover after the plug is pulled', async () => {
  const demo = await launch();
  await ready(demo);
  const editor = `http://127.0.0.1:${demo.port}`;
  assert.ok(demo.output().includes(editor), demo.output());
  assert.doesNotMatch(demo.output(), /\[(warn|error)\]/, 'a demo that begins with warnings convinces nobody');
  assert.match(await (await fetch(editor)).text(), /<title>Node-RED<\/title>/);

  const sets: readonly { id: string; types: readonly string[]; err?: unknown }[] = await (
    await fetch(`${editor}/nodes`, { headers: { accept: 'application/json' } })
  ).json();
  const ours = sets.filter(({ id }) => id.startsWith('@carp-ha/node-red-carp/'));
  assert.ok(ours.length >= 4);
  for (const set of ours) assert.equal(set.err, undefined, JSON.stringify(set));

  const topics = new Map<string, string>();
  const client = mqtt.connect(`mqtt://127.0.0.1:${demo.mqttPort}`, { protocolVersion: 4 });
  undo.push(() => client.endAsync(true));
  client.on('message', (topic, payload) => topics.set(topic, payload.toString('utf8')));
  await client.subscribeAsync('carp/#', { qos: 1 });
  await until(
    'rpi1 is MASTER and rpi2 is BACKUP',
    () => topics.get('carp/plant/node/rpi1/role') === 'MASTER' && topics.get('carp/plant/node/rpi2/role') === 'BACKUP',
  );

  const plug = flow().find(({ type, name }) => type === 'inject' && name === 'Pull the plug of rpi1');
  const pressed = await fetch(`${editor}/inject/${plug?.id}`, { method: 'POST' });
  assert.equal(pressed.status, 200);
  await until('rpi2 is MASTER', () => topics.get('carp/plant/node/rpi2/role') === 'MASTER');
  await until('rpi1 is offline', () => topics.get('carp/node/rpi1/status') === 'offline');

  const asked = Date.now();
  demo.child.kill('SIGTERM');
  assert.equal(await demo.ended, 0, demo.output());
  assert.ok(Date.now() - asked < 5000, `it took ${Date.now() - asked} ms to end`);
  await gone(demo);
});

test('a signal during the start ends everything as well', async () => {
  const demo = await launch();
  await until('Node-RED is being started', () => readdirSync(demo.temporary).length > 0);
  demo.child.kill('SIGINT');
  assert.equal(await demo.ended, 0, demo.output());
  await gone(demo);
});

test('Node-RED does not outlive a start script that is killed', async () => {
  const demo = await launch();
  await ready(demo);
  demo.child.kill('SIGKILL');
  await demo.ended;
  await until('both ports are free', async () => (await isFree(demo.port)) && (await isFree(demo.mqttPort)));
});

test('the demo ends when the npm that started it has gone', async () => {
  const relay = `require('node:child_process').spawn(process.execPath, [process.argv[1]], { stdio: 'inherit' });`;
  const demo = await launch({}, ['-e', relay]);
  await ready(demo);
  demo.child.kill('SIGKILL');
  await gone(demo);
});

for (const variable of ['PORT', 'MQTT_PORT'] as const) {
  test(`a ${variable} that is taken is said in one line that names another`, async () => {
    const taken = await freePort();
    undo.push(await listening(taken));
    const demo = await launch({ [variable]: String(taken) });
    assert.equal(await demo.ended, 1);
    const lines = demo.output().trimEnd().split('\n');
    assert.equal(lines.length, 1, demo.output());
    assert.match(demo.output(), new RegExp(`Port ${taken} .*taken.* ${variable}=\\d+ npm start`));
    assert.deepEqual(readdirSync(demo.temporary), []);
  });
}

test('a port that is none is refused in one line', async () => {
  for (const text of ['http', '0', '65536', '18.5']) {
    const demo = await launch({ PORT: text });
    assert.equal(await demo.ended, 1);
    assert.equal(demo.output().trimEnd().split('\n').length, 1, demo.output());
    assert.ok(demo.output().includes(`PORT=${text}`));
  }
});
