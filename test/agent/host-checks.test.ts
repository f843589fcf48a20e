import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Observable, Subject, VirtualTimeScheduler } from 'rxjs';
import type { TrackState } from '../../src/adapters/hooks/track.ts';
import { HostChecks } from '../../src/agent/host-checks.ts';
import { CarpError } from '../../src/ports/error.ts';
import { configOf, groupText } from './fakes.ts';

const groups = (checks: readonly object[], more: object = {}) =>
  configOf('a', [groupText('plant', { track: checks, ...more })]).groups;
const gateway = { name: 'gateway', command: ['true'], weight: 100 };

const setUp = () => {
  const ledger: string[] = [];
  const logged: string[] = [];
  const running: Subject<TrackState>[] = [];
  let ended = 0;
  const checks = new HostChecks({
    node: 'a',
    demote: ({ reason, weight, group }) => ledger.push(`+${group} ${reason} ${weight}`),
    restore: (reason, group) => ledger.push(`-${group} ${reason}`),
    scheduler: new VirtualTimeScheduler(),
    log: (level, message) => logged.push(`${level} ${message}`),
    watch: () =>
      new Observable((subscriber) => {
        const states$ = new Subject<TrackState>();
        running.push(states$);
        subscriber.next({ healthy: true, detail: 'not looked at yet' });
        subscriber.add(states$.subscribe(subscriber));
        return () => {
          ended += 1;
        };
      }),
  });
  return { checks, ledger, logged, running, ended: () => ended };
};

test('a check demotes its group while it fails, with its name and weight, and says why', () => {
  const { checks, ledger, logged, running } = setUp();
  checks.configure(groups([gateway]));
  assert.deepEqual(ledger, []);
  running[0]?.next({ healthy: false, detail: 'exit code 1: no route' });
  running[0]?.next({ healthy: true, detail: 'exit code 0' });
  assert.deepEqual(ledger, ['+plant track gateway 100', '-plant track gateway']);
  assert.deepEqual(logged, [
    'warn track gateway has failed 3 times in a row: exit code 1: no route',
    'info track gateway is well again',
  ]);
});

test('a check goes on when its group is changed in other ways, and its entry ends with it', () => {
  const { checks, ledger, running, ended } = setUp();
  checks.configure(groups([gateway]));
  running[0]?.next({ healthy: false, detail: 'exit code 1' });
  checks.configure(groups([gateway], { advskew: 50 }));
  assert.equal(running.length, 1);
  assert.deepEqual(ledger, ['+plant track gateway 100']);
  checks.configure(groups([{ ...gateway, weight: 10 }]));
  assert.equal(running.length, 2);
  assert.deepEqual(ledger, ['+plant track gateway 100', '-plant track gateway']);
  checks.configure([]);
  assert.equal(ended(), 2);
});

test('the end of a check whose group has gone already is no failure', () => {
  const checks = new HostChecks({
    node: 'a',
    demote: () => undefined,
    restore: () => {
      throw new CarpError('CARP_NO_GROUP', 'a has no group plant');
    },
    scheduler: new VirtualTimeScheduler(),
    log: () => undefined,
  });
  checks.configure(groups([gateway]));
  checks.stop();
});
