import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { type Poll, pollReadable } from '../../src/adapters/linux/poll-readable.ts';

/** A koffi.node.poll that calls back when it is told to. */
const fakePoll = () => {
  const handles = new Map<number, { callback: (status: number) => void; starts: number; closed: number }>();
  const poll: Poll = (fd, callback) => {
    const handle = { callback, starts: 1, closed: 0 };
    handles.set(fd, handle);
    return {
      start: (again) => {
        handle.callback = again;
        handle.starts++;
      },
      close: () => {
        handle.closed++;
      },
      unref: () => {},
    };
  };
  const handle = (fd: number) => {
    const found = handles.get(fd);
    assert.ok(found, `nobody polls ${fd}`);
    return found;
  };
  return { poll, handle };
};
const PROBE = 99;
const probe = () => ({ fd: PROBE, close: () => {} });
/** What setImmediate has put off is done. */
const afterImmediates = (): Promise<void> =>
  new Promise((resolve) => setImmediate(() => setImmediate(() => setImmediate(resolve))));

test('the reader is called outside of the native callback, once for many wake-ups', async () => {
  const { poll, handle } = fakePoll();
  let reads = 0;
  const watch = pollReadable(poll, probe)(7, () => reads++);
  handle(PROBE).callback(0);
  handle(7).callback(0);
  handle(7).callback(0);
  assert.equal(reads, 0);
  await afterImmediates();
  assert.equal(reads, 1);
  handle(7).callback(0);
  await afterImmediates();
  assert.equal(reads, 2);
  watch.close();
});

test('closing twice closes the handle once, and a wake-up that was under way reads nothing', async () => {
  const { poll, handle } = fakePoll();
  let reads = 0;
  const watch = pollReadable(poll, probe)(7, () => reads++);
  handle(PROBE).callback(0);
  handle(7).callback(0);
  watch.close();
  watch.close();
  await afterImmediates();
  assert.equal(reads, 0);
  assert.equal(handle(7).closed, 1);
});

test('an error stops the native poll, so after the error was read it is started again', async () => {
  const { poll, handle } = fakePoll();
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    let reads = 0;
    const watch = pollReadable(poll, probe)(7, () => reads++);
    handle(PROBE).callback(0);
    handle(7).callback(-9);
    await afterImmediates();
    assert.equal(reads, 1);
    assert.equal(handle(7).starts, 1);
    mock.timers.tick(2);
    assert.equal(handle(7).starts, 2);
    handle(7).callback(0);
    await afterImmediates();
    assert.equal(reads, 2);
    watch.close();
  } finally {
    mock.timers.reset();
  }
});

test('a poll that never reports is replaced by a look every 2 ms, for what is watched already and what comes', async () => {
  const { poll, handle } = fakePoll();
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  try {
    const reads = { first: 0, second: 0 };
    const readable = pollReadable(poll, probe);
    const first = readable(7, () => reads.first++);
    mock.timers.tick(1000);
    await afterImmediates();
    assert.equal(handle(7).closed, 1);
    const second = readable(8, () => reads.second++);
    mock.timers.tick(4);
    assert.deepEqual(reads, { first: 2, second: 2 });
    first.close();
    second.close();
    mock.timers.tick(4);
    assert.deepEqual(reads, { first: 2, second: 2 });
  } finally {
    mock.timers.reset();
  }
});

test('a poll that reports after the loop was blocked for longer than the test takes is still trusted', async () => {
  const { poll, handle } = fakePoll();
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  try {
    const watch = pollReadable(poll, probe)(7, () => {});
    mock.timers.tick(1000);
    // The timer is due; the poll phase comes after it, and what it reports is dealt with after that.
    handle(PROBE).callback(0);
    await afterImmediates();
    await afterImmediates();
    assert.equal(handle(7).closed, 0);
    assert.equal(handle(PROBE).closed, 1);
    watch.close();
  } finally {
    mock.timers.reset();
  }
});

test('without a poll there is a look every 2 ms', () => {
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    let reads = 0;
    const watch = pollReadable(undefined, probe)(7, () => reads++);
    mock.timers.tick(6);
    assert.equal(reads, 3);
    watch.close();
    mock.timers.tick(6);
    assert.equal(reads, 3);
  } finally {
    mock.timers.reset();
  }
});
