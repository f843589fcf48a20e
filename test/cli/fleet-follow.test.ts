/** When `carp fleet` shows what: in virtual time, with a bus that says what the test wants. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, NEVER, type Observable, of, timer } from 'rxjs';
import { delayWhen, map } from 'rxjs/operators';
import { TestScheduler } from 'rxjs/testing';
import type { BusNews } from '../../src/adapters/mqtt/view/bus-view-feed.ts';
import { type FleetPicture, followFleet } from '../../src/cli/fleet-follow.ts';
import { mqttSettings } from '../support/mqtt-settings.ts';
import { healthy, member, type Said } from './fleet-bus.ts';

const BROKER = 'mqtt://broker:1883';
const START = Date.now();
const connected: BusNews = { type: 'connected', broker: BROKER };
const subscribed: BusNews = { type: 'subscribed', refused: [] };
const lost: BusNews = { type: 'lost', broker: BROKER, failure: { code: 'X', text: 'it burns' }, waitMs: 2000 };

const messages = (said: readonly Said[], { retain = true, expiresInMs = 30_000 } = {}): readonly BusNews[] =>
  said.map(({ topic, payload }) => ({
    type: 'message',
    message: { topic, payload: Buffer.from(payload), retain, expiresInMs },
  }));

interface Seen {
  readonly at: number;
  readonly picture: FleetPicture;
}

interface Run {
  readonly seen: readonly Seen[];
  readonly failed: { readonly at: number; readonly error: unknown } | undefined;
}

/** @param script - what comes from the bus, and when, in ms */
const run = (
  script: readonly (readonly [at: number, news: readonly BusNews[]])[],
  forMs: number,
  url: string | readonly string[] = BROKER,
): Run => {
  const seen: Seen[] = [];
  let failed: Run['failed'];
  const scheduler = new TestScheduler(() => undefined);
  scheduler.run(() => {
    const items = script.flatMap(([at, all]) => all.map((news) => ({ at, news })));
    const news$: Observable<BusNews> = concat(
      of(...items).pipe(
        delayWhen(({ at }) => timer(at)),
        map(({ news }) => news),
      ),
      NEVER,
    );
    const now = (): number => scheduler.now();
    const following = followFleet({
      news$,
      settings: mqttSettings({ url }),
      monotonic: now,
      wallClock: () => START + now(),
    }).subscribe({
      next: (picture) => seen.push({ at: now(), picture }),
      error: (error: unknown) => {
        failed = { at: now(), error };
      },
    });
    timer(forMs).subscribe(() => following.unsubscribe());
  });
  return { seen, failed };
};

const first = ({ seen }: Run): Seen => {
  const [one] = seen;
  assert.ok(one);
  return one;
};

describe('carp fleet', () => {
  test('waits until the retained messages have come, 300 ms after the last', () => {
    const [head, ...rest] = messages(healthy());
    assert.ok(head);
    const { at, picture } = first(
      run(
        [
          [0, [connected]],
          [50, [subscribed, head]],
          [200, rest],
        ],
        3000,
      ),
    );
    assert.equal(at, 600, '200 + 300, and what comes together');
    assert.deepEqual(
      picture.groups.map(({ group, members, findings }) => [group, members.length, findings]),
      [['plant', 2, []]],
    );
  });

  test('does not wait for longer than three seconds, however much still comes', () => {
    const [one] = messages(healthy());
    assert.ok(one);
    const endless = Array.from({ length: 60 }, (_, i) => [i * 100, [one]] as const);
    assert.equal(first(run([[0, [connected, subscribed]], ...endless], 8000)).at, 3100);
  });

  test('is not kept waiting by news: only what was retained is waited for', () => {
    const [one] = messages(healthy(), { retain: false });
    assert.ok(one);
    const endless = Array.from({ length: 60 }, (_, i) => [i * 100, [one]] as const);
    assert.equal(first(run([[0, [connected, subscribed]], ...endless], 8000)).at, 400);
  });

  test('shows each change at once, and the time that passes each second', () => {
    const change = messages(member({ node: 'rpi2', role: 'MASTER' }), { retain: false });
    const { seen } = run(
      [
        [0, [connected, subscribed, ...messages(healthy())]],
        [1500, change],
      ],
      2600,
    );
    assert.deepEqual(
      seen.map(({ at }) => at),
      [400, 1100, 1600, 2100],
    );
    assert.equal(seen[2]?.picture.groups[0]?.members[1]?.role, 'MASTER');
  });

  test('forgets a state that the broker has dropped, and says that the host does not answer', () => {
    const state = member({ node: 'rpi2', role: 'BACKUP' }).filter(({ topic }) => topic.endsWith('/state'));
    const short = messages(state, { expiresInMs: 5000 });
    const { seen } = run([[0, [connected, subscribed, ...messages(healthy()), ...short]]], 6500);
    const codes = ({ picture }: Seen): readonly string[] =>
      picture.groups.flatMap(({ findings }) => findings.map(({ code }) => code));
    assert.deepEqual(seen.filter(({ at }) => at < 5000).flatMap(codes), []);
    assert.deepEqual(codes(seen.at(-1) ?? first({ seen, failed: undefined })), ['no-answer']);
  });

  test('says nothing new of hosts while it has no connection, and then shows what is there', () => {
    const story = [
      [0, [connected, subscribed, ...messages(healthy(), { expiresInMs: 5000 })]],
      [2000, [lost]],
      [20_000, [connected, subscribed, ...messages(member({ group: 'office', node: 'rpi1', role: 'MASTER' }))]],
    ] as const;
    const { seen } = run(story, 21_000);
    const without = seen.filter(({ picture }) => picture.lost !== undefined);
    assert.equal(without[0]?.at, 2100);
    assert.deepEqual(without[0]?.picture.lost, { text: 'it burns', retryAt: START + 4000 });
    assert.ok(without.length > 10);
    for (const { picture } of without) {
      assert.deepEqual(
        picture.groups.map(({ group, findings }) => [group, findings]),
        [['plant', []]],
      );
    }
    const last = seen.at(-1)?.picture;
    assert.equal(last?.lost, undefined);
    assert.deepEqual(
      last?.groups.map(({ group }) => group),
      ['office'],
    );
  });

  test('fails if there is no connection to begin with, after the last broker of the list', () => {
    const one = run([[100, [lost]]], 5000);
    assert.equal(one.failed?.at, 100);
    assert.match(String(one.failed?.error), /no connection to mqtt:\/\/broker:1883: it burns/);
    const urls = [BROKER, 'mqtt://other'];
    const two = run(
      [
        [100, [lost]],
        [2000, [lost]],
      ],
      5000,
      urls,
    );
    assert.equal(two.failed?.at, 2000);
    const lucky = run(
      [
        [100, [lost]],
        [2000, [connected, subscribed]],
      ],
      5000,
      urls,
    );
    assert.equal(lucky.failed, undefined);
    assert.equal(first(lucky).at, 2400);
  });

  test('fails if the broker never answers the subscription', () => {
    const { failed, seen } = run([[0, [connected]]], 20_000);
    assert.deepEqual([failed?.at, seen], [10_000, []]);
    assert.match(String(failed?.error), /has not answered the subscription for 10 s/);
  });
});
