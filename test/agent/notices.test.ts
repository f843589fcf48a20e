import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Subject } from 'rxjs';
import type { MessageConnection } from 'vscode-jsonrpc/node';
import { NOTICES_ON_THEIR_WAY_MAX, notices } from '../../src/agent/notices.ts';
import type { ProblemNotice } from '../../src/agent/rpc.ts';
import type { Finding } from '../../src/engine/mismatch.ts';
import type { CarpEvent } from '../../src/engine/status.ts';
import { until } from '../support/wait.ts';
import { eventOf } from './fakes.ts';

/** Somebody who reads only when told to. */
const slowReader = () => {
  const got: string[] = [];
  const unread: (() => void)[] = [];
  const connection = {
    sendNotification: ({ method }: { method: string }, value: CarpEvent & ProblemNotice): Promise<void> => {
      got.push([method, value.event, value.role, value.seq].filter((part) => part !== undefined).join(' '));
      return new Promise((resolve) => unread.push(resolve));
    },
  } as unknown as MessageConnection;
  const read = (): void => {
    for (const done of unread.splice(0)) done();
  };
  return { connection, got, read };
};

test('to somebody who does not read, a bounded number of notices is sent, and the state when he has read them', async () => {
  const events$ = new Subject<CarpEvent>();
  let seq = 0;
  const agent = {
    events$,
    problems$: new Subject<ProblemNotice>(),
    findings$: new Subject<Finding>(),
    problems: () => [],
    snapshots: () => [eventOf('a', 'plant', { seq })],
  };
  const { connection, got, read } = slowReader();
  const running = notices(connection, agent);
  assert.deepEqual(got, ['event snapshot BACKUP 0']);
  const happen = (): void => {
    seq += 1;
    events$.next(eventOf('a', 'plant', { event: 'transition', seq }));
  };
  for (let i = 0; i < 10 * NOTICES_ON_THEIR_WAY_MAX; i += 1) happen();
  assert.equal(got.length, NOTICES_ON_THEIR_WAY_MAX);
  read();
  await until('the state', 1000, () => got.length === NOTICES_ON_THEIR_WAY_MAX + 2);
  assert.deepEqual(got.slice(-2), [`event snapshot BACKUP ${10 * NOTICES_ON_THEIR_WAY_MAX}`, 'problem']);
  happen();
  assert.equal(got.at(-1), `event transition BACKUP ${seq}`);
  running.unsubscribe();
  happen();
  assert.equal(got.length, NOTICES_ON_THEIR_WAY_MAX + 3);
});
