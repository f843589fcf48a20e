import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Proof } from '../../nodes/proof.ts';

/** An agent, a clock, and timers that go only when they are told to. */
const world = (t: TestContext) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const now = { monotonic: 1000, boot: 5000 };
  const questions: { readonly yes: () => void; readonly no: () => void }[] = [];
  const ping = (): Promise<void> =>
    new Promise((resolve, reject) => questions.push({ yes: resolve, no: () => reject(new Error('nobody')) }));
  const proof = new Proof(ping, () => ({ ...now }));
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    proof,
    questions,
    /** Time in which the process runs. */
    pass: async (ms: number): Promise<void> => {
      now.monotonic += ms;
      now.boot += ms;
      t.mock.timers.tick(ms);
      await settle();
    },
    /** Time in which it stands still: no timer goes. */
    stall: (ms: number): void => {
      now.monotonic += ms;
      now.boot += ms;
    },
    /** Time that the monotonic clock does not know. */
    sleep: (ms: number): void => {
      now.boot += ms;
    },
    answer: async (how: 'yes' | 'no' = 'yes'): Promise<void> => {
      questions.at(-1)?.[how]();
      await settle();
    },
  };
};

test('nothing is fresh before the agent has answered', async (t) => {
  const { proof, questions, answer } = world(t);
  assert.equal(proof.isFresh(3000), false);
  assert.equal(questions.length, 0);
  proof.use(3000);
  assert.equal(questions.length, 1);
  assert.equal(proof.isFresh(3000), false);
  await answer();
  assert.equal(proof.isFresh(3000), true);
});

test('it asks three times in each limit, and stays fresh as long as there are answers', async (t) => {
  const { proof, questions, answer, pass } = world(t);
  const end = proof.use(3000);
  for (let i = 1; i < 10; i += 1) {
    await answer();
    assert.equal(proof.isFresh(3000), true);
    await pass(1000);
    assert.equal(questions.length, i + 1);
  }
  await answer();
  end();
  await pass(10_000);
  assert.equal(questions.length, 10);
});

test('an agent that is frozen is not believed any longer than the limit', async (t) => {
  const { proof, answer, pass } = world(t);
  proof.use(3000);
  await answer();
  await pass(1000);
  await pass(1999);
  assert.equal(proof.isFresh(3000), true);
  await pass(1);
  assert.equal(proof.isFresh(3000), false);
});

for (const halt of ['stall', 'sleep'] as const)
  test(`after a ${halt} of this process the second answer counts, 50 ms after the first`, async (t) => {
    const { proof, questions, answer, pass, ...how } = world(t);
    proof.use(3000);
    await answer();
    how[halt](4000);
    assert.equal(proof.isFresh(3000), false);
    assert.equal(questions.length, 2);
    await answer();
    assert.equal(proof.isFresh(3000), false);
    await pass(49);
    assert.equal(questions.length, 2);
    await pass(1);
    assert.equal(questions.length, 3);
    await answer();
    assert.equal(proof.isFresh(3000), true);
  });

test('an answer to a question from before the stall proves nothing', async (t) => {
  const { proof, answer, pass, stall } = world(t);
  proof.use(3000);
  await answer();
  await pass(1000);
  stall(4000);
  await answer();
  assert.equal(proof.isFresh(3000), false);
});

test('a short halt is none: answers go on counting', async (t) => {
  const { proof, stall, answer } = world(t);
  proof.use(3000);
  await answer();
  stall(2900);
  assert.equal(proof.isFresh(3000), true);
});

test('it goes on asking when there is no answer, and says so', async (t) => {
  const { proof, questions, answer, pass } = world(t);
  let changes = 0;
  proof.changed$.subscribe(() => {
    changes += 1;
  });
  proof.use(900);
  await answer('no');
  assert.equal(changes, 1);
  await pass(300);
  assert.equal(questions.length, 2);
  await answer();
  assert.deepEqual([changes, proof.isFresh(900)], [2, true]);
});
