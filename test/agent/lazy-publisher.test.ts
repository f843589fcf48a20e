import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Subject } from 'rxjs';
import { EVENTS_KEPT_MAX, lazyPublisher } from '../../src/agent/lazy-publisher.ts';
import type { CreatePublisher as Create } from '../../src/agent/publishing.ts';
import type { CarpEvent } from '../../src/engine/status.ts';
import { busHost } from '../support/bus-host.ts';
import { mqttSettings } from '../support/mqtt-settings.ts';

const settings = mqttSettings({ url: 'mqtt://127.0.0.1:9' });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const bench = () => {
  const events$ = new Subject<CarpEvent>();
  const told: number[] = [];
  const said: string[] = [];
  let loaded: (create: Create) => void = () => undefined;
  let failed: (error: Error) => void = () => undefined;
  const library = new Promise<Create>((resolve, reject) => {
    loaded = resolve;
    failed = reject;
  });
  const create: Create = (options) => {
    const subscription = options.events$.subscribe(({ seq }) => told.push(seq));
    return {
      close: async () => {
        subscription.unsubscribe();
        said.push('closed');
      },
      kill: () => void said.push('killed'),
    };
  };
  const log = (_level: string, message: string): void => void said.push(message);
  const publisher = lazyPublisher(() => library, {
    settings,
    host: busHost({ node: 'a' }),
    state: '/nowhere',
    events$,
    log,
  });
  const happen = (seq: number): void => events$.next({ seq } as CarpEvent);
  return {
    publisher,
    happen,
    told,
    said,
    events$,
    loaded: () => loaded(create),
    failed: () => failed(new Error('no')),
  };
};

test('what happens while the MQTT library loads is told once and in order', async () => {
  const { publisher, happen, loaded, told, said } = bench();
  happen(1);
  happen(2);
  loaded();
  await turn();
  happen(3);
  assert.deepEqual(told, [1, 2, 3]);
  await publisher.close();
  happen(4);
  assert.deepEqual(told, [1, 2, 3]);
  assert.deepEqual(said, ['closed']);
});

test('a library that takes for ever costs bounded memory', async () => {
  const { happen, loaded, told } = bench();
  for (let seq = 1; seq <= EVENTS_KEPT_MAX + 2; seq += 1) happen(seq);
  loaded();
  await turn();
  assert.deepEqual([told.length, told[0], told.at(-1)], [EVENTS_KEPT_MAX, 3, EVENTS_KEPT_MAX + 2]);
});

test('a host that stops while the library loads makes no connection any more', async () => {
  const { publisher, happen, loaded, told, said, events$ } = bench();
  happen(1);
  await publisher.close();
  assert.equal(events$.observed, false);
  loaded();
  await turn();
  assert.deepEqual([told, said], [[], []]);
});

test('a library that does not load is one line of the log, and nothing else', async () => {
  const { failed, said, events$ } = bench();
  failed();
  await turn();
  assert.deepEqual(said, ['mqtt of a is off: no']);
  assert.equal(events$.observed, false);
});
