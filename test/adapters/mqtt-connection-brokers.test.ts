import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type Brokers,
  createBrokers,
  LASTED_MS,
  LONGEST_MS,
  STEP_MS,
} from '../../src/adapters/mqtt/connection/brokers.ts';
import type { MqttFailure } from '../../src/adapters/mqtt/connection/problem.ts';
import { randomFrom } from '../support/random.ts';

const [A, B, C] = ['mqtts://a', 'mqtts://b', 'mqtts://c'] as const;
const REFUSED: MqttFailure = { code: 'ECONNREFUSED', text: 'nobody listens there' };
const HUNG_UP: MqttFailure = { code: 'HUNG_UP', text: 'the broker hung up' };
const TAKEN_OVER: MqttFailure = { code: 0x8e, text: 'session taken over' };
const VERSION_OF_311: MqttFailure = { code: 1, text: 'unacceptable protocol version' };
const VERSION_OF_5: MqttFailure = { code: 0x84, text: 'unsupported protocol version' };

const brokersOf = (url: string | readonly string[], version: 'auto' | '3.1.1' | '5' = 'auto', random = 0.5): Brokers =>
  createBrokers({ url, version }, () => random);

/** Fails as often as that, and tells where it went and how long it waited each time. */
const walk = (brokers: Brokers, times: number): readonly (readonly [string, number])[] =>
  Array.from({ length: times }, () => {
    const { url, waitMs } = brokers.failed(REFUSED, undefined);
    return [url, waitMs] as const;
  });

describe('the wait before the next attempt', () => {
  test('doubles from 1 to 2 s up to 15 to 30 s, half of it by chance', () => {
    for (const [random, waits] of [
      [0, [1000, 2000, 4000, 8000, 15_000, 15_000]],
      [0.5, [1500, 3000, 6000, 12_000, 22_500, 22_500]],
      [1, [2000, 4000, 8000, 16_000, 30_000, 30_000]],
    ] as const)
      assert.deepEqual(
        walk(brokersOf(A, 'auto', random), 6).map(([, waitMs]) => waitMs),
        waits,
      );
  });

  test('begins anew after a connection that lasted, and not after one that was ended soon', () => {
    const brokers = brokersOf(A);
    walk(brokers, 3);
    assert.equal(brokers.failed(TAKEN_OVER, LASTED_MS - 1).waitMs, 12_000);
    assert.equal(brokers.failed(TAKEN_OVER, LASTED_MS).waitMs, 1500);
    assert.equal(brokers.failed(REFUSED, undefined).waitMs, 3000);
  });

  test('two agents that throw each other out come to do so twice a minute at most', () => {
    const brokers = brokersOf(A, 'auto', 0);
    const waits = Array.from({ length: 20 }, () => brokers.failed(TAKEN_OVER, 200).waitMs);
    assert.ok(waits.slice(4).every((waitMs) => waitMs >= LONGEST_MS / 2));
  });
});

describe('a list of brokers', () => {
  test('is walked from the top with short steps, before the wait grows', () => {
    const brokers = brokersOf([A, B, C]);
    assert.deepEqual(brokers.current, { url: A, version: 5 });
    assert.deepEqual(walk(brokers, 8), [
      [B, STEP_MS / 2],
      [C, STEP_MS / 2],
      [A, 1500],
      [B, STEP_MS / 2],
      [C, STEP_MS / 2],
      [A, 3000],
      [B, STEP_MS / 2],
      [C, STEP_MS / 2],
    ]);
  });

  test('is begun anew when a connection that lasted ends; the broker that was lost comes last', () => {
    const brokers = brokersOf([A, B, C]);
    walk(brokers, 1);
    assert.equal(brokers.current.url, B);
    brokers.failed(HUNG_UP, LASTED_MS);
    assert.equal(brokers.current.url, A, 'so a host returns to the first broker');
    assert.deepEqual(walk(brokers, 3), [
      [C, STEP_MS / 2],
      [B, STEP_MS / 2],
      [A, 1500],
    ]);
    brokers.failed(HUNG_UP, LASTED_MS);
    assert.equal(brokers.current.url, B, 'and does not wait for the one that has just gone');
  });

  test('goes on where it was when a connection ended soon', () => {
    const brokers = brokersOf([A, B, C]);
    assert.equal(brokers.failed(TAKEN_OVER, 100).url, B);
    assert.equal(brokers.failed(TAKEN_OVER, 100).url, C);
    assert.deepEqual(walk(brokers, 1), [[A, 1500]]);
  });

  test('says the same broker once, however often it is written', () => {
    assert.deepEqual(walk(brokersOf([A, A, B]), 2), [
      [B, STEP_MS / 2],
      [A, 1500],
    ]);
  });
});

describe('the version of MQTT', () => {
  test('is 5 first, and 3.1.1 at once where that is refused, which is remembered for that broker', () => {
    for (const refusal of [VERSION_OF_311, VERSION_OF_5]) {
      const brokers = brokersOf([A, B]);
      assert.deepEqual(brokers.failed(refusal, undefined), { url: A, version: 4, waitMs: 0, otherVersion: true });
      assert.deepEqual(brokers.current, { url: A, version: 4 });
      assert.equal(brokers.failed(HUNG_UP, LASTED_MS).version, 5, 'nothing is known of the other broker');
      const { url, version, otherVersion } = brokers.failed(HUNG_UP, undefined);
      assert.deepEqual({ url, version, otherVersion }, { url: A, version: 4, otherVersion: false });
    }
  });

  test('is asked for anew when the broker was away: it may be another one', () => {
    const brokers = brokersOf(A);
    brokers.failed(VERSION_OF_311, undefined);
    assert.equal(brokers.failed(HUNG_UP, LASTED_MS).version, 4);
    assert.equal(brokers.failed(REFUSED, undefined).version, 5);
  });

  test('stays 5 with a broker that hangs up: a load balancer without a broker does that, too', () => {
    assert.equal(brokersOf(A).failed(HUNG_UP, undefined).version, 5);
  });

  test('that is set is the only one, also where it is refused', () => {
    for (const [set, version] of [
      ['5', 5],
      ['3.1.1', 4],
    ] as const) {
      const brokers = brokersOf(A, set);
      assert.equal(brokers.current.version, version);
      const next = brokers.failed(VERSION_OF_5, undefined);
      assert.deepEqual([next.version, next.waitMs, next.otherVersion], [version, 1500, false]);
    }
  });

  test('a refusal in 3.1.1 is a failure like others', () => {
    const brokers = brokersOf(A);
    brokers.failed(VERSION_OF_5, undefined);
    const { waitMs, otherVersion } = brokers.failed(VERSION_OF_311, undefined);
    assert.deepEqual([waitMs, otherVersion], [1500, false]);
  });
});

describe('fifty hosts that lose their broker in the same instant', () => {
  const HOSTS = 50;
  const WINDOW_MS = 100;

  /** When which broker is asked, by all hosts together, until each of them has found one that is up. */
  const play = (
    urls: readonly string[],
    isUp: (url: string, at: number) => boolean,
    seed: number,
  ): {
    readonly asked: readonly { readonly url: string; readonly at: number }[];
    readonly backAt: readonly number[];
  } => {
    const random = randomFrom(seed).next;
    const asked: { url: string; at: number }[] = [];
    const backAt = Array.from({ length: HOSTS }, () => {
      const brokers = createBrokers({ url: urls, version: 'auto' }, random);
      let { url, waitMs } = brokers.failed(HUNG_UP, LASTED_MS);
      for (let at = waitMs; ; at += waitMs) {
        asked.push({ url, at });
        if (isUp(url, at)) return at;
        ({ url, waitMs } = brokers.failed(REFUSED, undefined));
      }
    });
    return { asked, backAt };
  };

  const busiest = (asked: readonly { readonly url: string; readonly at: number }[], url: string): number => {
    const perWindow = new Map<number, number>();
    for (const one of asked.filter((each) => each.url === url)) {
      const window = Math.floor(one.at / WINDOW_MS);
      perWindow.set(window, (perWindow.get(window) ?? 0) + 1);
    }
    return Math.max(...perWindow.values());
  };

  for (const seed of [1, 2, 3, 4, 5]) {
    test(`ask it a few at a time, less and less often, and are back within 30 s of its return (seed ${seed})`, () => {
      const { asked, backAt } = play([A], (_url, at) => at >= 60_000, seed);
      assert.ok(busiest(asked, A) <= HOSTS / 3, `${busiest(asked, A)} attempts within ${WINDOW_MS} ms`);
      assert.ok(asked.length <= 8 * HOSTS, `${asked.length} attempts`);
      assert.ok(Math.max(...backAt) <= 60_000 + LONGEST_MS);
      assert.ok(Math.min(...asked.map(({ at }) => at)) >= 1000);
    });

    test(`are all at the second broker within a second, a few at a time (seed ${seed})`, () => {
      const { asked, backAt } = play([A, B], (url) => url === B, seed);
      assert.ok(Math.max(...backAt) <= STEP_MS);
      assert.ok(busiest(asked, B) <= HOSTS / 3, `${busiest(asked, B)} attempts within ${WINDOW_MS} ms`);
    });
  }
});
