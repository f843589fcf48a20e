/** Interfaces that go while raw-socket is bound to them: it would stay silent for ever, and say nothing. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Order } from '../support/adapter-child.ts';
import { ADVERT } from '../support/advert-frames.ts';
import { missingForAgent, missingRawSocket } from '../support/requirements.ts';
import { type AdapterChild, ip, VethPair } from '../support/veth-pair.ts';

type Opening = Extract<Order, { type: 'open' }>;
const opening = ({ channel, family = 4 }: Pick<Opening, 'channel'> & Partial<Opening>): Opening => ({
  type: 'open',
  interface: 'gone0',
  vhid: 1,
  transport: 'raw-socket',
  checksTtl: family === 4,
  channel,
  family,
});

describe('an interface under raw-socket', { skip: missingForAgent() || missingRawSocket() }, () => {
  let pair: VethPair;
  let a: AdapterChild;
  let channels = 0;

  const name = (): string => `channel${++channels}`;
  const open = async (child: AdapterChild, choice: Parameters<typeof opening>[0]): Promise<string> => {
    await child.tell(opening(choice));
    return choice.channel;
  };
  const close = async (child: AdapterChild, channel: string): Promise<unknown> =>
    child.tell({ type: 'close', channel });

  before(async () => {
    pair = new VethPair();
    a = await pair.child(pair.a);
  });
  after(() => {
    pair?.close();
  });

  /** @param index - the number of the interface: it may come back with the same or with another */
  const addLink = (index: number): void => {
    ip('-n', pair.a, 'link', 'add', 'gone0', 'index', String(index), 'type', 'veth', 'peer', 'name', 'gone1');
    ip('-n', pair.a, 'link', 'set', 'gone0', 'up');
  };

  test('that is deleted ends the stream with an error', async () => {
    for (const family of [4, 6] as const) {
      addLink(4711);
      const channel = await open(a, { channel: name(), family });
      ip('-n', pair.a, 'link', 'del', 'gone0');
      const problem = await a.untilError(channel);
      assert.equal(problem.code, 'CARP_NO_INTERFACE');
      assert.match(problem.message, /gone0 has gone/);
      const sent = await a.fails({ type: 'send', channel, payload: ADVERT, source: '192.0.2.11' });
      assert.equal(sent.code, 'CARP_SEND');
      await close(a, channel);
    }
  });

  for (const [title, index] of [
    ['the same number', 4711],
    ['another number', 4712],
  ] as const)
    test(`that is back at once with ${title} ends it too, and can be opened again`, async () => {
      addLink(4711);
      const channel = await open(a, { channel: name() });
      await a.hold(channel, () => {
        ip('-n', pair.a, 'link', 'del', 'gone0');
        addLink(index);
      });
      assert.equal((await a.untilError(channel)).code, 'CARP_NO_INTERFACE');
      await close(a, await open(a, { channel: name() }));
      ip('-n', pair.a, 'link', 'del', 'gone0');
    });

  test('that is renamed ends it too', async () => {
    addLink(4711);
    const channel = await open(a, { channel: name() });
    ip('-n', pair.a, 'link', 'set', 'gone0', 'down');
    ip('-n', pair.a, 'link', 'set', 'gone0', 'name', 'moved0');
    assert.equal((await a.untilError(channel)).code, 'CARP_NO_INTERFACE');
    ip('-n', pair.a, 'link', 'del', 'moved0');
  });

  test('without IPv6 says so, and how to give it', async () => {
    addLink(4711);
    ip('-n', pair.a, 'link', 'set', 'gone0', 'mtu', '1000');
    const problem = await a.fails(opening({ channel: name(), family: 6 }));
    assert.equal(problem.code, 'CARP_NO_INTERFACE');
    assert.match(problem.message, /gone0 does not speak IPv6/);
    ip('-n', pair.a, 'link', 'del', 'gone0');
  });
});
