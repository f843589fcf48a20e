/** Listening to a segment through a connection: bounds, what ends with it, and links that outlive their agents. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Observable, Subject } from 'rxjs';
import type { MessageConnection } from 'vscode-jsonrpc/node';
import { connectService, connectSocket } from '../../src/agent/client.ts';
import type { SegmentNotice, WatchParams } from '../../src/agent/rpc.ts';
import { SEGMENT_NOTICES_MAX, segmentNotices, WATCHES_MAX } from '../../src/agent/segment-notices.ts';
import type { SegmentUpdate } from '../../src/agent/segment-updates.ts';
import { listenOnSocket } from '../../src/agent/socket-server.ts';
import { until } from '../support/wait.ts';
import { idleAgent } from './fakes.ts';

const WAIT_MS = 10_000;

const report: SegmentUpdate = {
  type: 'report',
  report: { speakers: [], wires: [], disputes: [], refused: {}, frames: 0, packets: 0, dropped: 0, untold: 0 },
  standings: [],
  speakersLeftOut: 0,
};
const flood = (untold: number): SegmentUpdate => ({
  type: 'change',
  change: { at: '2026-11-22T12:00:00.123Z', event: 'flood', untold },
});

/** Segments on which things happen when a test says so. Each listener is told first how things stand. */
const fakeSegments = () => {
  const updates$ = new Subject<SegmentUpdate>();
  let listeners = 0;
  const asked: string[] = [];
  const watch = ({ interface: name }: WatchParams): Observable<SegmentUpdate> =>
    new Observable((subscriber) => {
      listeners += 1;
      asked.push(name);
      subscriber.next(report);
      const listening = updates$.subscribe(subscriber);
      return () => {
        listeners -= 1;
        listening.unsubscribe();
      };
    });
  return { watch, updates$, asked, listeners: () => listeners };
};

const word = (update: SegmentUpdate): string => {
  if (update.type === 'problem') return update.problem.code;
  return update.type === 'change' && update.change.event === 'flood' ? `change ${update.change.untold}` : update.type;
};

test('to somebody who does not read, so many notices are sent at most, and a report when he has read them', async () => {
  const { watch, updates$, listeners } = fakeSegments();
  const got: string[] = [];
  const unread: (() => void)[] = [];
  const connection = {
    sendNotification: (_type: unknown, notice: SegmentNotice): Promise<void> => {
      got.push(word(notice));
      return new Promise((resolve) => unread.push(resolve));
    },
  } as unknown as MessageConnection;
  const notices = segmentNotices(connection, { watch });
  notices.watch({ interface: 'eth0' });
  for (let i = 0; i < 10 * SEGMENT_NOTICES_MAX; i += 1) updates$.next(flood(i));
  assert.equal(got.length, SEGMENT_NOTICES_MAX);
  for (const read of unread.splice(0)) read();
  await until('the report', WAIT_MS, () => got.length === SEGMENT_NOTICES_MAX + 1);
  assert.equal(got.at(-1), 'report');
  updates$.next(flood(7));
  assert.equal(got.at(-1), 'change 7');
  assert.equal(listeners(), 1);
  notices.end();
  assert.equal(listeners(), 0);
});

test('one connection listens to so many segments at most; one that it lets go makes room', () => {
  const { watch, listeners } = fakeSegments();
  const connection = { sendNotification: async () => undefined } as unknown as MessageConnection;
  const notices = segmentNotices(connection, { watch });
  for (let i = 0; i < WATCHES_MAX; i += 1) notices.watch({ interface: `eth${i}` });
  notices.watch({ interface: 'eth0', simulated: false });
  assert.throws(() => notices.watch({ interface: 'eth0', simulated: true }), { code: 'CARP_FAILED' });
  notices.unwatch({ interface: 'eth3' });
  notices.watch({ interface: 'eth0', simulated: true });
  assert.equal(listeners(), WATCHES_MAX);
  notices.unwatch({ interface: 'never asked for' });
  notices.end();
  assert.equal(listeners(), 0);
});

const socketIn = (t: TestContext): string => {
  const folder = mkdtempSync(join(tmpdir(), 'carp-segments-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'agent.sock');
};

test('whoever may open the socket may listen; the end of the connection ends it', async (t) => {
  const segments = fakeSegments();
  const path = socketIn(t);
  const server = await listenOnSocket({ path, agent: idleAgent({ watch: segments.watch }), log: () => undefined });
  t.after(() => server.close());
  const client = await connectSocket(path);
  const got: SegmentNotice[] = [];
  client.segments$.subscribe((notice) => got.push(notice));
  await client.watch({ interface: 'eth0' });
  await until('the report', WAIT_MS, () => got.length > 0);
  assert.deepEqual(got, [{ interface: 'eth0', simulated: false, ...report }]);
  await assert.rejects(client.watch({ interface: '' }), { message: /interface/ });
  await client.unwatch({ interface: 'eth0' });
  assert.equal(segments.listeners(), 0);
  await client.watch({ interface: 'eth0' });
  client.close();
  await until('the end of listening', WAIT_MS, () => segments.listeners() === 0);
});

test('a link asks once for all who listen to a segment, again when the agent has come back, and lets go with the last', async (t) => {
  const path = socketIn(t);
  const first = fakeSegments();
  const serve = (agent: ReturnType<typeof fakeSegments>) =>
    listenOnSocket({ path, agent: idleAgent({ watch: agent.watch }), log: () => undefined });
  const server = await serve(first);
  const link = connectService({ path });
  t.after(() => link.stop());
  const heard: string[][] = [[], []];
  // The first listener comes before there is a connection.
  const one = link.watch({ interface: 'eth0' }).subscribe((update) => heard[0]?.push(word(update)));
  await until('the first report', WAIT_MS, () => heard[0]?.length === 1);
  const two = link.watch({ interface: 'eth0' }).subscribe((update) => heard[1]?.push(word(update)));
  await until('a report for the second', WAIT_MS, () => heard[1]?.length === 1);
  assert.equal(first.listeners(), 1);
  first.updates$.next(flood(1));
  await until('the change', WAIT_MS, () => heard.every((words) => words.at(-1) === 'change 1'));

  await server.close();
  await until('the problem', WAIT_MS, () => heard.every((words) => words.includes('CARP_NO_AGENT')));
  const late: string[] = [];
  const three = link.watch({ interface: 'eth1' }).subscribe((update) => late.push(word(update)));
  assert.deepEqual(late, ['CARP_NO_AGENT'], 'who comes while there is no agent is told so');

  const second = fakeSegments();
  const again = await serve(second);
  t.after(() => again.close());
  await until('reports of the new agent', WAIT_MS, () => [...heard, late].every((words) => words.at(-1) === 'report'));
  assert.deepEqual(second.asked.toSorted(), ['eth0', 'eth1']);
  one.unsubscribe();
  second.updates$.next(flood(2));
  await until('the change', WAIT_MS, () => heard[1]?.at(-1) === 'change 2');
  assert.equal(heard[0]?.at(-1), 'report');
  two.unsubscribe();
  three.unsubscribe();
  await until('the end of listening', WAIT_MS, () => second.listeners() === 0);
  let ended = false;
  link.watch({ interface: 'eth0' }).subscribe({ complete: () => (ended = true) });
  await link.stop();
  assert.equal(ended, true);
});
