import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstValueFrom, from, lastValueFrom, toArray } from 'rxjs';
import { watchSegment } from '../../src/engine/segment-watch.ts';
import type { CapturedFrame } from '../../src/ports/sniffer.ts';
import { virtually } from '../support/marbles.ts';
import { at, carp, HOST, OTHER, START } from './segment-frames.ts';

/** As a sniffer has it: `time` on the scheduler's clock, `at` on the wall's. */
const live = (frame: CapturedFrame): CapturedFrame => ({ ...frame, time: frame.at - START });
const values = {
  a: live(carp(HOST, 0)),
  b: live(carp(HOST, 1000)),
  c: live(carp({ ...OTHER, advskew: 0 }, 5000)),
};

const kinds = { s: 'speaker-heard', m: 'master', g: 'system-guessed', n: 'master-silent' };

test('a silence is noticed when nobody says anything, and dated to its moment', () => {
  virtually(({ cold, flush }, scheduler) => {
    const seen: string[] = [];
    const noticed: number[] = [];
    watchSegment(cold('a 999ms b 5s |', values), { scheduler }).subscribe(({ event, at: when }) => {
      seen.push(`${event} ${when}`);
      noticed.push(scheduler.now());
    });
    flush();
    assert.deepEqual(seen, [
      `speaker-heard ${at(0)}`,
      `master ${at(0)}`,
      `system-guessed ${at(1000)}`,
      `master-silent ${at(4000)}`,
    ]);
    assert.deepEqual(noticed, [0, 0, 1000, 4300]);
  });
});

test('it is cold, completes with the frames, and stops its clock when nobody listens', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }, scheduler) => {
    const frames$ = cold('a---|', values);
    const kinds$ = watchSegment(frames$, { scheduler });
    expectObservable(kinds$, '--^-!').toBe('--(xy)', {
      x: watched('speaker-heard'),
      y: watched('master'),
    });
    expectSubscriptions(frames$.subscriptions).toBe('--^-!');
  });
});

test('an error of the sniffer is handed on', () => {
  virtually(({ cold, expectObservable }, scheduler) => {
    expectObservable(watchSegment(cold('--#'), { scheduler })).toBe('--#');
  });
});

test('nothing is said of no frames, and a stream that never ends is none that fails', () => {
  virtually(({ cold, expectObservable }, scheduler) => {
    expectObservable(watchSegment(cold('---|'), { scheduler })).toBe('---|');
    expectObservable(watchSegment(cold('-'), { scheduler }), '^ 900ms !').toBe('-');
  });
});

test('without a scheduler only frames tell the time, and each silence has its own', async () => {
  const frames = [values.a, values.b, values.c];
  const told = await lastValueFrom(watchSegment(from(frames)).pipe(toArray()));
  assert.deepEqual(
    told.map(({ event, at: when }) => `${event} ${when}`),
    [
      `${kinds.s} ${at(0)}`,
      `${kinds.m} ${at(0)}`,
      `${kinds.g} ${at(1000)}`,
      `${kinds.n} ${at(4000)}`,
      `${kinds.s} ${at(5000)}`,
      `${kinds.m} ${at(5000)}`,
    ],
  );
  assert.equal((await firstValueFrom(watchSegment(from(frames)))).event, 'speaker-heard');
});

/** The events of the first frame, whole. */
const watched = (kind: 'speaker-heard' | 'master') => {
  const who = { protocol: 'carp', vhid: 7, family: 4, source: '192.0.2.11', mac: '00:00:5e:00:01:07' };
  const told =
    kind === 'master'
      ? { how: 'first' }
      : {
          rank: { advbase: 1, advskew: 0, demotion: 0 },
          intervalMs: 1000,
          digest: 'unchecked',
          self: false,
          addresses: [],
        };
  return { at: at(0), event: kind, ...who, ...told };
};
