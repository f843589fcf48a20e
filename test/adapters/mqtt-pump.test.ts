import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MqttClient } from 'mqtt';
import { NEVER } from 'rxjs';
import { Outbox } from '../../src/adapters/mqtt/outbox.ts';
import { pump } from '../../src/adapters/mqtt/pump.ts';

/** A broker that takes packets of so many bytes, and acknowledges when it is told to. */
const stage = (serverProperties: object) => {
  const sent: string[] = [];
  const acknowledge: (() => void)[] = [];
  const publish = (topic: string, _payload: string, _options: object, done: () => void): void => {
    sent.push(topic);
    acknowledge.push(done);
  };
  const client = { connected: true, serverProperties, publish } as unknown as MqttClient;
  const outbox = new Outbox({ expiry: 0, news: () => undefined, connected: () => true, now: () => 0 });
  const refused: string[] = [];
  const run = () =>
    pump({ client, version: 5, outbox, news$: NEVER, refused: (_why, topic) => refused.push(topic) }).subscribe();
  return { outbox, sent, refused, acknowledge, run };
};

test('what a broker does not take is never sent, whatever of it is too long', () => {
  const { outbox, sent, refused, run } = stage({ maximumPacketSize: 500 });
  const payload = 'x'.repeat(100);
  outbox.keep('payload', 'x'.repeat(500));
  outbox.keep('ä'.repeat(200), payload);
  outbox.tell({ topic: 'answer', payload, properties: { correlationData: new Uint8Array(300) } });
  outbox.tell({ topic: 'fits', payload, properties: { correlationData: new Uint8Array(16) } });
  run();
  assert.deepEqual(refused, ['payload', 'ä'.repeat(200), 'answer']);
  assert.deepEqual(sent, ['fits']);
});

test('a broker that takes one message at a time gets the next one when it has acknowledged, and what was underway is not lost', () => {
  const { outbox, sent, acknowledge, run } = stage({ receiveMaximum: 1 });
  for (const name of ['a', 'b', 'c']) outbox.tell({ topic: name, payload: '' });
  const pumping = run();
  assert.deepEqual(sent, ['a']);
  acknowledge.shift()?.();
  assert.deepEqual(sent, ['a', 'b']);
  pumping.unsubscribe();
  run();
  assert.deepEqual(sent, ['a', 'b', 'b']);
});
