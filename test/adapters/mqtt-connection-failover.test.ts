import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { NEVER } from 'rxjs';
import { createMqttPublisher, type MqttPublisher } from '../../src/adapters/mqtt/publisher.ts';
import type { MqttSettings } from '../../src/adapters/mqtt/settings.ts';
import { busHost } from '../support/bus-host.ts';
import { connack, type ScriptedBroker, startScript } from '../support/mqtt-script.ts';
import { mqttSettings } from '../support/mqtt-settings.ts';
import { createAuthority, needsOpenssl } from '../support/mqtt-tls.ts';
import { until } from '../support/wait.ts';
import { listenTo, needsMosquitto, startMosquitto, type TestBroker } from './mqtt-brokers.ts';

const STATUS = 'carp/node/rpi1/status';
const WAIT_MS = 30_000;

/** Undone after each test, last first, also when it failed. */
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

interface Publishing {
  readonly publisher: MqttPublisher;
  /** Log lines, each after its level. */
  readonly lines: readonly string[];
}

const publishTo = (url: string | readonly string[], settings: Partial<MqttSettings> = {}): Publishing => {
  const lines: string[] = [];
  const publisher = createMqttPublisher({
    settings: mqttSettings({ ...settings, url }),
    host: busHost({ groups: () => [] }),
    machineId: '01234567',
    events$: NEVER,
    log: (level, message, fields) => lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`),
  });
  undo.push(() => publisher.kill());
  return { publisher, lines };
};

const warnings = ({ lines }: Publishing): readonly string[] => lines.filter((line) => line.startsWith('warn'));

/** What is wrong is said when it begins. */
const problems = (host: Publishing): readonly string[] => warnings(host).filter((line) => !line.includes('connected'));

const scripted = async (...args: Parameters<typeof startScript>): Promise<ScriptedBroker> => {
  const broker = await startScript(...args);
  undo.push(broker.stop);
  return broker;
};

test('two brokers that hang up are asked in turn, and each is complained about once', async () => {
  const [a, b] = [await scripted((socket) => socket.destroy()), await scripted((socket) => socket.destroy())];
  const host = publishTo([a, b].map(({ port }) => `mqtt://127.0.0.1:${port}`));
  await until('three walks', WAIT_MS, () => a.connections() >= 3 && b.connections() >= 2);
  assert.ok(a.connections() - b.connections() <= 1);
  assert.equal(host.lines.length, 2, host.lines.join('\n'));
  for (const [i, { port }] of [a, b].entries())
    assert.match(
      host.lines[i] ?? '',
      new RegExp(`no connection to mqtt://127\\.0\\.0\\.1:${port}: the broker hung up with`),
    );
});

test('a broker that refuses, with whatever reason, is asked less and less often, and complained about once', async () => {
  const at: number[] = [];
  const broker = await scripted((socket) => {
    at.push(performance.now());
    socket.write(connack(5, 0x97));
  });
  const host = publishTo(`mqtt://rpi1:hunter2@127.0.0.1:${broker.port}`);
  await until('three attempts', WAIT_MS, () => at.length >= 3);
  const [first = 0, second = 0, third = 0] = at;
  // The waits are 1 to 2 s and 2 to 4 s; a busy machine makes them longer.
  assert.ok(second - first >= 990, `${second - first} ms`);
  assert.ok(third - second >= 1990, `${third - second} ms`);
  assert.equal(host.lines.length, 1, host.lines.join('\n'));
  assert.match(host.lines[0] ?? '', /no connection to mqtt:\/\/127\.0\.0\.1:\d+: Quota exceeded: raise the limits/);
  assert.doesNotMatch(host.lines.join('\n'), /hunter2/);
});

test('a CA that is put right is used without a restart, and what was wrong is said once', {
  skip: needsOpenssl,
}, async () => {
  const [authority, other] = [createAuthority(), createAuthority('Other CA')];
  undo.push(authority.remove, other.remove);
  const { cert, key } = authority.issue({ name: 'localhost' });
  const broker = await scripted((socket) => socket.write(connack(5, 0)), { tls: { cert, key } });
  const caFile = join(authority.folder, 'used.pem');
  copyFileSync(other.caFile, caFile);
  const host = publishTo(`mqtts://localhost:${broker.port}`, { tls: { verify: true, caFile } });
  await until('the complaint', WAIT_MS, () => host.lines.length > 0);
  copyFileSync(authority.caFile, caFile);
  await until('the broker to be asked', WAIT_MS, () => broker.received().includes('carp-rpi1-01234567'));
  assert.equal(problems(host).length, 1, host.lines.join('\n'));
  assert.match(problems(host)[0] ?? '', /is not trusted; give the CA that signed it in mqtt\.tls\.caFile/);
});

describe('with Mosquitto', { skip: needsMosquitto }, () => {
  const mosquitto = async (port?: number): Promise<TestBroker> => {
    const broker = await startMosquitto(port === undefined ? {} : { port });
    undo.push(broker.stop);
    return broker;
  };
  const isOnline = async ({ url }: TestBroker): Promise<void> => {
    const ears = await listenTo(url);
    undo.push(ears.close);
    await until(`the birth at ${url}`, WAIT_MS, () => ears.last(STATUS) === 'online');
  };

  test('a host goes on at the second broker when the first is gone, and returns when that one is', async () => {
    const [first, second] = [await mosquitto(), await mosquitto()];
    const host = publishTo([first.url, second.url]);
    await isOnline(first);
    await first.stop();
    const began = performance.now();
    await isOnline(second);
    // A step takes 1 s at most; the rest is for a busy machine.
    assert.ok(performance.now() - began < 10_000, `${performance.now() - began} ms`);
    assert.match(host.lines.at(-1) ?? '', new RegExp(`connected again to mqtt://127\\.0\\.0\\.1:${second.port}`));
    await mosquitto(first.port);
    await second.stop();
    await isOnline(first);
    assert.match(host.lines.at(-1) ?? '', new RegExp(`connected again to mqtt://127\\.0\\.0\\.1:${first.port}`));
    assert.equal(problems(host).length, 2, host.lines.join('\n'));
  });
});
