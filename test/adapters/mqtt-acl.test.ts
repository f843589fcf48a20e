/** The access rules for Mosquitto that we recommend (examples/mosquitto.acl): agents need no more, and get no more. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import mqtt, { type MqttClient } from 'mqtt';
import { carp } from '../cli/carp.ts';
import { Child } from '../support/child.ts';
import { toolPath } from '../support/requirements.ts';
import { until } from '../support/wait.ts';
import { needsMosquitto, startMosquitto } from './mqtt-brokers.ts';

const ACL = readFileSync(fileURLToPath(new URL('../../../examples/mosquitto.acl', import.meta.url)), 'utf8');
const CARP = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const USERS = ['rpi1', 'rpi2', 'homeassistant', 'dashboard'] as const;
type User = (typeof USERS)[number];
const NOT_AUTHORIZED = 0x87;
const WAIT_MS = 30_000;

const skip =
  needsMosquitto || (toolPath('mosquitto_passwd') === undefined && 'needs mosquitto_passwd: apt-get install mosquitto');

interface Plant {
  readonly url: string;
  readonly agent: (node: 'rpi1' | 'rpi2') => Child;
  readonly login: (user: User) => Promise<MqttClient>;
}

const passwordOf = (user: User): string => `password of ${user}`;

const start = async (t: TestContext): Promise<Plant> => {
  const folder = mkdtempSync(join(tmpdir(), 'carp-acl-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const passwords = join(folder, 'passwords');
  writeFileSync(passwords, '', { mode: 0o600 });
  const tool = toolPath('mosquitto_passwd') ?? '';
  for (const user of USERS) execFileSync(tool, ['-b', passwords, user, passwordOf(user)], { stdio: 'ignore' });
  const lines = ['allow_anonymous false', `password_file ${passwords}`];
  const { url, stop } = await startMosquitto({ acl: ACL.split('\n'), lines });
  t.after(() => stop());

  const agent: Plant['agent'] = (node) => {
    const place = join(folder, node);
    mkdirSync(place);
    const file = join(place, 'carp.yaml');
    const login = { url, username: node, password: passwordOf(node) };
    const group = { name: 'plant', interface: 'lan', vhid: 10, pass: 'x', addresses: ['192.0.2.100/24'] };
    const config = {
      node,
      socket: join(place, 'agent.sock'),
      state: join(place, 'state'),
      mqtt: { ...login, homeAssistant: true, commands: true, refresh: 1, sparkplug: { group: 'acme' } },
      groups: [{ ...group, transport: 'memory' }],
    };
    writeFileSync(file, JSON.stringify(config));
    const child = new Child(node, [process.execPath, CARP, 'run', '-c', file]);
    t.after(() => child.stop('SIGKILL'));
    return child;
  };
  const login: Plant['login'] = async (user) => {
    const client = await mqtt.connectAsync(url, {
      protocolVersion: 5,
      username: user,
      password: passwordOf(user),
      reconnectPeriod: 0,
    });
    client.on('error', () => undefined);
    t.after(() => client.endAsync(true));
    return client;
  };
  return { url, agent, login };
};

/** Publishes, and tells whether the broker took it. */
const mayPublish = async (client: MqttClient, topic: string): Promise<boolean> => {
  try {
    await client.publishAsync(topic, 'x', { qos: 1 });
    return true;
  } catch (error) {
    assert.equal((error as { readonly code?: unknown }).code, NOT_AUTHORIZED, String(error));
    return false;
  }
};

test('an agent can do all it does with the access rules that we recommend, and its neighbours can watch and command it', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { url, agent, login } = await start(t);
  const heard = new Map<string, string>();
  const homeAssistant = await login('homeassistant');
  homeAssistant.on('message', (topic, payload) => heard.set(topic, payload.toString('utf8')));
  await homeAssistant.subscribeAsync(['carp/#', 'homeassistant/#'], { qos: 1 });
  const says = (topic: string, fits: (payload: string) => boolean): Promise<unknown> =>
    until(
      `${topic} to be right`,
      WAIT_MS,
      () => fits(heard.get(topic) ?? ''),
      () => JSON.stringify([...heard], undefined, 1),
    );
  const is = (text: string) => (payload: string) => payload === text;
  const isJson = (payload: string): boolean => payload.startsWith('{');

  const dashboard = await login('dashboard');
  dashboard.on('message', (topic) => heard.set(topic, 'heard'));
  await dashboard.subscribeAsync('spBv1.0/#', { qos: 1 });

  // Each is alone on a network in its own process: two masters, which only the bus can tell.
  const agents = [agent('rpi1'), agent('rpi2')] as const;
  for (const node of ['rpi1', 'rpi2']) {
    await says(`carp/node/${node}/status`, is('online'));
    const own = `carp/plant/node/${node}`;
    await says(`${own}/role`, is('MASTER'));
    await says(`${own}/mode`, is('normal'));
    await says(`${own}/advskew`, is('0'));
    await says(`${own}/vip/192.0.2.100`, is('held'));
    for (const leaf of ['state', 'event', 'stats']) await says(`${own}/${leaf}`, isJson);
    await says(`carp/node/${node}/info`, isJson);
    await says(`homeassistant/device/carp_${node}_plant/config`, isJson);
    for (const topic of [`NBIRTH/${node}`, `DBIRTH/${node}/plant`]) await says(`spBv1.0/acme/${topic}`, is('heard'));
  }
  await says('carp/plant/master', isJson);
  // To raise it, a host has to hear what the other one says.
  await says('carp/plant/alarm', (payload) => payload.includes('two-masters'));

  await homeAssistant.publishAsync('carp/plant/node/rpi1/mode/set', 'maintenance', { qos: 1 });
  await says('carp/plant/node/rpi1/cmd/result', (payload) => payload.includes('"ok":true'));
  await says('carp/plant/node/rpi1/mode', is('maintenance'));

  const env = { DASHBOARD: passwordOf('dashboard') };
  const argv = ['fleet', url, '--once', '--username', 'dashboard', '--password-env', 'DASHBOARD'];
  const { stdout, stderr } = await carp(argv, { env });
  assert.match(stdout, /rpi1 +online +MASTER/, stderr);
  assert.match(stdout, /ALARM {4}two-masters/);

  agents[0].signal('SIGKILL');
  await says('carp/node/rpi1/status', is('offline'));
  await says('spBv1.0/acme/NDEATH/rpi1', is('heard'));
  agents[1].signal('SIGTERM');
  await says('carp/plant/node/rpi2/role', is('STOPPED'));
  await says('carp/node/rpi2/status', is('offline'));
  for (const child of agents) {
    assert.equal(child.line(/refuses|does not let|not authorized/i), undefined, child.report());
    assert.ok(!child.report().includes('password of'));
  }
});

test('nobody can do more with the access rules that we recommend than is his', { skip, timeout: 60_000 }, async (t) => {
  const { url, login } = await start(t);
  const STATES = ['role', 'state', 'event', 'mode', 'vip/192.0.2.100', 'cmd/result'];
  const COMMANDS = ['mode/set', 'advskew/set', 'cmd/hand-over', 'cmd/resync'];
  const forbidden: Readonly<Record<User, readonly string[]>> = {
    rpi1: [
      'carp/node/rpi2/status',
      'carp/node/rpi2/info',
      ...[...STATES, ...COMMANDS].map((leaf) => `carp/plant/node/rpi2/${leaf}`),
      ...COMMANDS.map((leaf) => `carp/plant/node/rpi1/${leaf}`),
      'spBv1.0/acme/NBIRTH/rpi2',
      'spBv1.0/acme/NCMD/rpi1',
      'homeassistant/status',
      'other/topic',
    ],
    rpi2: ['carp/node/rpi1/status', 'carp/plant/node/rpi1/role'],
    homeassistant: [
      'carp/plant/node/rpi1/role',
      'carp/plant/master',
      'carp/node/rpi1/status',
      'carp/plant/node/rpi1/cmd/resync',
    ],
    dashboard: ['carp/plant/master', 'carp/plant/alarm', 'carp/plant/node/rpi1/mode/set', 'homeassistant/status'],
  };
  const permitted: Readonly<Record<User, readonly string[]>> = {
    rpi1: ['carp/node/rpi1/status', 'carp/plant/node/rpi1/role', 'carp/plant/master', 'carp/plant/alarm'],
    rpi2: ['carp/node/rpi2/info', 'carp/plant/node/rpi2/peers/2001:db8::1'],
    homeassistant: ['carp/plant/node/rpi1/mode/set', 'carp/plant/node/rpi1/cmd/hand-over', 'homeassistant/status'],
    dashboard: [],
  };
  for (const user of USERS) {
    const client = await login(user);
    for (const topic of forbidden[user]) assert.equal(await mayPublish(client, topic), false, `${user} on ${topic}`);
    for (const topic of permitted[user]) assert.equal(await mayPublish(client, topic), true, `${user} on ${topic}`);
  }
  await assert.rejects(mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 }, false), /Not authorized/);
});
