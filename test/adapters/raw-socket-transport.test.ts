/** The module raw-socket on a cable, with ours through koffi at the other end: what each sends, the other understands. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Order } from '../support/adapter-child.ts';
import { ADVERT, advertOf, framesIn, marked, vector, withByte } from '../support/advert-frames.ts';
import { missingForAgent, missingRawSocket, toolPath } from '../support/requirements.ts';
import { type AdapterChild, ip, VethPair } from '../support/veth-pair.ts';
import { until } from '../support/wait.ts';

const GROUP4 = '224.0.0.18';
const GROUP6 = 'ff02::12';
const A4 = '192.0.2.11';
const B4 = '192.0.2.12';
const A6 = 'fe80::ff:fe00:a';
const A6_GLOBAL = '2001:db8::11';
const B6_GLOBAL = '2001:db8::12';

type Opening = Extract<Order, { type: 'open' }>;
type Choice = Partial<Opening> & Pick<Opening, 'channel' | 'family'>;
const opening = (choice: Choice): Opening => ({
  type: 'open',
  interface: 'eth0',
  vhid: 1,
  transport: 'raw-socket',
  checksTtl: choice.family === 4,
  ...choice,
});

describe('the raw-socket transport', { skip: missingForAgent('tcpdump', 'tc') || missingRawSocket() }, () => {
  let pair: VethPair;
  let a: AdapterChild;
  let b: AdapterChild;
  let folder: string;
  let channels = 0;

  /** Fresh names, because channels of all tests live in the same two children. */
  const name = (): string => `channel${++channels}`;
  const open = async (child: AdapterChild, choice: Choice): Promise<string> => {
    await child.tell(opening(choice));
    return choice.channel;
  };
  const close = async (child: AdapterChild, channel: string): Promise<unknown> =>
    child.tell({ type: 'close', channel });

  /** What arrives at B while `act` runs, until there are that many frames. */
  const captureAtB = async (count: number, act: () => Promise<unknown>): Promise<readonly string[]> => {
    const file = join(folder, `${name()}.pcap`);
    const options = ['-i', 'eth0', '--immediate-mode', '-U', '-w', file, 'proto 112 or ip6 proto 112'];
    const tcpdump = spawn('ip', ['netns', 'exec', pair.b, 'tcpdump', ...options], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    tcpdump.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    try {
      await until(
        'tcpdump to listen',
        10_000,
        () => said.includes('listening on'),
        () => said,
      );
      await act();
      await until(`${count} frames`, 10_000, () => framesIn(readFileSync(file)).length >= count);
    } finally {
      tcpdump.kill('SIGKILL');
    }
    return framesIn(readFileSync(file));
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'carp-raw-socket-'));
    pair = new VethPair();
    await pair.settled();
    a = await pair.child(pair.a);
    b = await pair.child(pair.b);
  });
  after(() => {
    pair?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const [from, to] of [
    ['raw-socket', 'raw-socket'],
    ['raw-socket', 'koffi'],
    ['koffi', 'raw-socket'],
  ] as const)
    test(`an IPv4 advert from ${from} to ${to} arrives with its bytes, TTL and addresses`, async () => {
      const sender = await open(a, { channel: name(), family: 4, transport: from });
      const receiver = await open(b, { channel: name(), family: 4, transport: to });
      await a.tell({ type: 'send', channel: sender, payload: ADVERT, source: A4 });
      const [packet] = await b.untilPackets(receiver, 1);
      assert.deepEqual(packet, { payload: ADVERT, source: A4, destination: GROUP4, ttl: 255, dropped: 0 });
      await close(a, sender);
      await close(b, receiver);
    });

  test('IPv6 is refused while hop limits are to be checked, with the setting that allows it', async () => {
    const problem = await a.fails(opening({ channel: name(), family: 6, checksTtl: true }));
    assert.equal(problem.code, 'CARP_NO_TRANSPORT');
    assert.match(problem.message, /hop limits of IPv6 on eth0/);
    assert.match(problem.remedy ?? '', /npm install koffi@.*checkTtl: ipv4/);
  });

  test('an IPv6 advert arrives with its bytes and source, without a hop limit, and as sent to the group', async () => {
    const sender = await open(a, { channel: name(), family: 6 });
    const receiver = await open(b, { channel: name(), family: 6 });
    const sighted = await open(b, { channel: name(), family: 6, transport: 'koffi' });
    for (const source of [A6, A6_GLOBAL]) await a.tell({ type: 'send', channel: sender, payload: ADVERT, source });
    const expected = { payload: ADVERT, destination: GROUP6, dropped: 0 };
    assert.deepEqual(
      await b.untilPackets(receiver, 2),
      // What is undefined does not pass between processes.
      [A6, A6_GLOBAL].map((source) => ({ ...expected, source })),
    );
    assert.deepEqual(
      await b.untilPackets(sighted, 2),
      [A6, A6_GLOBAL].map((source) => ({ ...expected, source, ttl: 255 })),
    );
    await close(a, sender);
    await close(b, receiver);
    await close(b, sighted);
  });

  /** What the README advises to those who set checkTtl. */
  test('a rule of the firewall checks the hop limits that raw-socket cannot see', async (t) => {
    if (toolPath('nft') === undefined) return t.skip('needs nft: apt-get install nftables');
    const nft = (...args: readonly string[]): void => {
      execFileSync('ip', ['netns', 'exec', pair.b, 'nft', ...args], { stdio: 'pipe' });
    };
    try {
      nft('add', 'table', 'ip6', 'carp');
    } catch {
      return t.skip('needs a kernel with nf_tables');
    }
    const receiver = await open(b, { channel: name(), family: 6 });
    const forged = { type: 'forge', interface: 'eth0', source: A6_GLOBAL, destination: B6_GLOBAL } as const;
    await a.tell({ ...forged, ttl: 33, payload: marked(1) });
    await b.untilPackets(receiver, 1);
    nft('add', 'chain', 'ip6', 'carp', 'input', '{ type filter hook input priority 0; }');
    nft('add', 'rule', 'ip6', 'carp', 'input', 'meta', 'l4proto', '112', 'ip6', 'hoplimit', '!=', '255', 'drop');
    await a.tell({ ...forged, ttl: 33, payload: marked(2) });
    await a.tell({ ...forged, ttl: 255, payload: marked(3) });
    assert.deepEqual(
      (await b.untilPackets(receiver, 2)).map(({ payload }) => payload),
      [marked(1), marked(3)],
    );
    nft('delete', 'table', 'ip6', 'carp');
    await close(b, receiver);
  });

  test('broadcast frames are refused, with what can send them', async () => {
    const problem = await a.fails(opening({ channel: name(), family: 4, broadcast: true }));
    assert.equal(problem.code, 'CARP_NO_TRANSPORT');
    assert.match(problem.remedy ?? '', /npm install koffi@.*broadcast: false/);
  });

  test('on the wire an IPv4 advert is byte for byte what NetBSD sends, but for the source MAC', async () => {
    const sender = await open(a, { channel: name(), family: 4 });
    const [frame] = await captureAtB(1, () => a.tell({ type: 'send', channel: sender, payload: ADVERT, source: A4 }));
    const theirs = vector('netbsd-v4-multicast');
    assert.equal(frame?.slice(0, 12), theirs.slice(0, 12), 'Ethernet destination');
    assert.equal(frame?.slice(24), theirs.slice(24));
    await close(a, sender);
  });

  test('on the wire an IPv6 advert is byte for byte what OpenBSD sends, but for the source MAC', async () => {
    const theirs = vector('openbsd-v6-multicast');
    const sender = await open(a, { channel: name(), family: 6, tos: 0 });
    const [frame] = await captureAtB(1, () =>
      a.tell({ type: 'send', channel: sender, payload: advertOf(theirs), source: A6 }),
    );
    assert.equal(frame?.slice(0, 12), theirs.slice(0, 12), 'Ethernet destination');
    assert.equal(frame?.slice(24), theirs.slice(24));
    await close(a, sender);
  });

  test('the type of service is the one that was asked for', async () => {
    const ipv4 = await open(a, { channel: name(), family: 4, tos: 0xe0 });
    const ipv6 = await open(a, { channel: name(), family: 6, tos: 0xe0 });
    const [four, six] = await captureAtB(2, async () => {
      await a.tell({ type: 'send', channel: ipv4, payload: ADVERT, source: A4 });
      await a.tell({ type: 'send', channel: ipv6, payload: ADVERT, source: A6 });
    });
    assert.equal(four?.slice(28, 32), '45e0');
    assert.equal(six?.slice(28, 36), '6e000000');
    await close(a, ipv4);
    await close(a, ipv6);
  });

  test('another vhid, another length, and unicast without peers, are not delivered; a wrong TTL is, to be counted', async () => {
    const receiver = await open(b, { channel: name(), family: 4 });
    const forged = { type: 'forge', interface: 'eth0', source: A4, destination: GROUP4, ttl: 255 } as const;
    await a.tell({ ...forged, payload: withByte(1, 2) });
    await a.tell({ ...forged, destination: B4, payload: marked(1) });
    await a.tell({ ...forged, payload: '21' });
    await a.tell({ ...forged, ttl: 33, payload: marked(2) });
    await a.tell({ ...forged, payload: marked(3) });
    const packets = await b.untilPackets(receiver, 2);
    assert.deepEqual(
      packets.map(({ payload, ttl }) => ({ payload, ttl })),
      [
        { payload: marked(2), ttl: 33 },
        { payload: marked(3), ttl: 255 },
      ],
    );
    await close(b, receiver);
  });

  for (const [family, group, source, unicast, unicastSource] of [
    [4, GROUP4, A4, B4, A4],
    [6, GROUP6, A6, B6_GLOBAL, A6_GLOBAL],
  ] as const) {
    test(`IPv${family}: with peers, adverts go to each of them from the address that was asked for, and are taken from them`, async () => {
      const sender = await open(a, { channel: name(), family, peers: [unicast] });
      const receiver = await open(b, { channel: name(), family, peers: [unicastSource] });
      const sighted = await open(b, { channel: name(), family, peers: [unicastSource], transport: 'koffi' });
      await a.tell({ type: 'send', channel: sender, payload: marked(1), source: unicastSource });
      await a.tell({ type: 'forge', interface: 'eth0', source, destination: group, ttl: 255, payload: marked(2) });
      const payloads = [marked(1), marked(2)];
      assert.deepEqual(
        (await b.untilPackets(receiver, 2)).map(({ payload }) => payload),
        payloads,
      );
      const [seen] = await b.untilPackets(sighted, 1);
      assert.deepEqual(seen, { payload: marked(1), source: unicastSource, destination: unicast, ttl: 255, dropped: 0 });
      await close(a, sender);
      await close(b, receiver);
      await close(b, sighted);
    });

    test(`IPv${family}: own adverts do not come back, to no channel of the host`, async () => {
      const sender = await open(a, { channel: name(), family });
      const others = [
        await open(a, { channel: name(), family }),
        await open(a, { channel: name(), family, transport: 'koffi' }),
      ];
      const far = await open(b, { channel: name(), family });
      await a.tell({ type: 'send', channel: sender, payload: marked(1), source });
      await b.untilPackets(far, 1);
      const theirs = family === 4 ? B4 : 'fe80::ff:fe00:b';
      await b.tell({ type: 'send', channel: far, payload: marked(2), source: theirs });
      for (const each of [sender, ...others])
        assert.deepEqual(
          (await a.untilPackets(each, 1)).map(({ payload }) => payload),
          [marked(2)],
        );
      for (const each of [sender, ...others]) await close(a, each);
      await close(b, far);
    });

    test(`IPv${family}: what has arrived while the loop was blocked is delivered before drain returns`, async () => {
      const sender = await open(a, { channel: name(), family });
      const receiver = await open(b, { channel: name(), family });
      const drained = await b.hold(receiver, () =>
        a.tell({ type: 'send', channel: sender, payload: ADVERT, source, times: 300 }),
      );
      assert.deepEqual(drained, { delivered: 300, dropped: 0 });
      // And once: what the loop sees afterwards is nothing new.
      await a.tell({ type: 'send', channel: sender, payload: marked(9), source });
      await b.until('the last one', () => b.packets(receiver).some(({ payload }) => payload === marked(9)));
      assert.equal(b.packets(receiver).length, 301);
      await close(a, sender);
      await close(b, receiver);
    });

    test(`IPv${family}: a channel survives that the link is down for a while, and says why it cannot send`, async () => {
      const sender = await open(a, { channel: name(), family });
      const receiver = await open(b, { channel: name(), family });
      ip('-n', pair.a, 'link', 'set', 'eth0', 'down');
      try {
        const problem = await a.fails({ type: 'send', channel: sender, payload: ADVERT, source });
        assert.equal(problem.code, 'CARP_SEND');
        assert.match(problem.message, new RegExp(`cannot send to ${group} from ${source} on eth0: sendto: E[A-Z]+ `));
        assert.match(problem.remedy ?? '', /eth0/);
      } finally {
        ip('-n', pair.a, 'link', 'set', 'eth0', 'up');
        // The kernel drops global IPv6 addresses of a link that goes down.
        ip('-n', pair.a, 'addr', 'replace', '2001:db8::11/64', 'dev', 'eth0', 'nodad');
      }
      await pair.settled();
      await a.tell({ type: 'send', channel: sender, payload: ADVERT, source });
      await b.untilPackets(receiver, 1);
      const theirs = family === 4 ? B4 : 'fe80::ff:fe00:b';
      await b.tell({ type: 'send', channel: receiver, payload: marked(7), source: theirs });
      assert.equal((await a.untilPackets(sender, 1))[0]?.payload, marked(7));
      await close(a, sender);
      await close(b, receiver);
    });

    test(`IPv${family}: a packet that the queue of the interface has no room for is an error`, async () => {
      const sender = await open(a, { channel: name(), family });
      const tc = (...args: readonly string[]): void => {
        execFileSync('tc', ['-n', pair.a, 'qdisc', ...args], { stdio: 'pipe' });
      };
      tc('replace', 'dev', 'eth0', 'root', 'bfifo', 'limit', '1');
      try {
        const problem = await a.fails({ type: 'send', channel: sender, payload: ADVERT, source });
        assert.equal(problem.code, 'CARP_SEND');
        assert.match(problem.message, /ENOBUFS/);
      } finally {
        tc('del', 'dev', 'eth0', 'root');
      }
      await a.tell({ type: 'send', channel: sender, payload: ADVERT, source });
      await close(a, sender);
    });

    test(`IPv${family}: a source that is not of this host is an error that names it`, async () => {
      const sender = await open(a, { channel: name(), family });
      const foreign = family === 4 ? '192.0.2.77' : '2001:db8::77';
      const problem = await a.fails({ type: 'send', channel: sender, payload: ADVERT, source: foreign });
      assert.equal(problem.code, 'CARP_SEND');
      assert.ok(problem.message.includes(`from ${foreign}`), problem.message);
      assert.match(problem.remedy ?? '', /ip addr show dev eth0/);
      await close(a, sender);
    });
  }

  test('losses are counted, and a packet that came before them does not hide them', async () => {
    const receiver = await open(b, { channel: name(), family: 4 });
    const forged = { type: 'forge', interface: 'eth0', source: A4, destination: GROUP4, ttl: 255 } as const;
    const drained = await b.hold(receiver, async () => {
      await a.tell({ ...forged, payload: marked(1) });
      await a.tell({ ...forged, payload: withByte(1, 2), times: 4000 });
    });
    assert.equal(drained.delivered, 1);
    assert.ok(drained.dropped > 0, `${drained.dropped} dropped`);
    assert.equal(b.packets(receiver)[0]?.dropped, 0);
    await a.tell({ ...forged, payload: marked(2) });
    const [, next] = await b.untilPackets(receiver, 2);
    assert.equal(next?.dropped, drained.dropped);
    await close(b, receiver);
  });

  test('a peer that cannot be reached does not keep adverts from the others', async () => {
    const sender = await open(a, { channel: name(), family: 4, peers: ['198.51.100.1', B4] });
    const receiver = await open(b, { channel: name(), family: 4, peers: [A4] });
    // Twice: a report by ICMP about the first one must not fail the second.
    for (const mark of [1, 2]) await a.tell({ type: 'send', channel: sender, payload: marked(mark), source: A4 });
    await b.untilPackets(receiver, 2);
    await close(a, sender);
    await close(b, receiver);
  });

  test('after close nothing is delivered, sending throws, and the stream is complete', async () => {
    const channel = await open(b, { channel: name(), family: 4 });
    const other = await open(b, { channel: name(), family: 4 });
    await close(b, channel);
    await close(b, channel);
    assert.ok(b.reports.some((r) => r.type === 'complete' && r.channel === channel));
    await a.tell({ type: 'forge', interface: 'eth0', source: A4, destination: GROUP4, ttl: 255, payload: ADVERT });
    await b.untilPackets(other, 1);
    assert.deepEqual(b.packets(channel), []);
    const problem = await b.fails({ type: 'send', channel, payload: ADVERT, source: B4 });
    assert.equal(problem.code, 'CARP_SEND');
    await close(b, other);
  });

  test('an interface that does not exist is named, with the command that lists those that do', async () => {
    const problem = await a.fails(opening({ channel: name(), family: 4, interface: 'nowhere0' }));
    assert.equal(problem.code, 'CARP_NO_INTERFACE');
    assert.match(problem.message, /nowhere0/);
    assert.match(problem.remedy ?? '', /ip link/);
  });

  test('channels leave no descriptors behind, opened or refused', async () => {
    const descriptors = async (): Promise<number | undefined> => (await a.tell({ type: 'descriptors' })).descriptors;
    const before = await descriptors();
    for (let i = 0; i < 10; i++)
      for (const family of [4, 6] as const) await close(a, await open(a, { channel: name(), family }));
    await a.fails(opening({ channel: name(), family: 4, interface: 'nowhere0' }));
    assert.equal(await descriptors(), before);
  });
});
