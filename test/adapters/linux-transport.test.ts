import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Order } from '../support/adapter-child.ts';
import { missingForAgent, unreadableByOthers } from '../support/requirements.ts';
import { type AdapterChild, ip, VethPair } from '../support/veth-pair.ts';
import { until } from '../support/wait.ts';

const GROUP4 = '224.0.0.18';
const GROUP6 = 'ff02::12';
const A4 = '192.0.2.11';
const B4 = '192.0.2.12';
const A6 = 'fe80::ff:fe00:a';
const A6_GLOBAL = '2001:db8::11';
const B6_GLOBAL = '2001:db8::12';

interface FrameVector {
  readonly id: string;
  readonly frameHex: string;
}
const vectors: readonly FrameVector[] = JSON.parse(
  readFileSync(new URL('../../../test/vectors/frames.json', import.meta.url), 'utf8'),
);
const vector = (id: string): string => {
  const found = vectors.find((each) => each.id === id);
  assert.ok(found, id);
  return found.frameHex;
};
/** The advert in an Ethernet frame, hexadecimal: the last 36 bytes. */
const advertOf = (frameHex: string): string => frameHex.slice(-72);
const ADVERT = advertOf(vector('netbsd-v4-multicast'));
/** The same with another vhid, and so on: what tells packets apart here. */
const withByte = (index: number, value: number): string =>
  `${ADVERT.slice(0, 2 * index)}${value.toString(16).padStart(2, '0')}${ADVERT.slice(2 * index + 2)}`;
/** An advert that is not like others. */
const marked = (mark: number): string => withByte(35, mark);

/** Frames of a pcap file with Ethernet link type. */
const framesIn = (pcap: Buffer): readonly string[] => {
  const frames: string[] = [];
  for (let at = 24; at + 16 <= pcap.length; ) {
    const length = pcap.readUInt32LE(at + 8);
    if (at + 16 + length > pcap.length) break;
    frames.push(pcap.subarray(at + 16, at + 16 + length).toString('hex'));
    at += 16 + length;
  }
  return frames;
};

const opening = (
  order: Omit<Extract<Order, { type: 'open' }>, 'type' | 'interface' | 'vhid'> & { readonly vhid?: number },
): Order => ({
  type: 'open',
  interface: 'eth0',
  vhid: 1,
  ...order,
});

describe('raw sockets on a cable', { skip: missingForAgent('sysctl', 'tcpdump', 'setpriv', 'tc') }, () => {
  let pair: VethPair;
  let a: AdapterChild;
  let b: AdapterChild;
  let folder: string;
  let channels = 0;

  /** Fresh names, because channels of all tests live in the same two children. */
  const name = (): string => `channel${++channels}`;
  const open = async (child: AdapterChild, options: Parameters<typeof opening>[0]): Promise<string> => {
    await child.tell(opening(options));
    return options.channel;
  };
  const close = async (child: AdapterChild, channel: string): Promise<unknown> =>
    child.tell({ type: 'close', channel });

  /** What tcpdump writes down at B while `act` runs, until there are that many frames. */
  const captureAtB = async (
    count: number,
    act: () => Promise<unknown>,
  ): Promise<{ frames: readonly string[]; text: string }> => {
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
    const text = execFileSync('tcpdump', ['-r', file, '-n', '-vv', '-e', '-T', 'carp'], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
    return { frames: framesIn(readFileSync(file)), text };
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'carp-transport-'));
    pair = new VethPair();
    await pair.settled();
    a = await pair.child(pair.a);
    b = await pair.child(pair.b);
  });
  after(() => {
    pair?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('an IPv4 advert arrives with its bytes, TTL and addresses', async () => {
    const sender = await open(a, { channel: name(), family: 4 });
    const receiver = await open(b, { channel: name(), family: 4 });
    await a.tell({ type: 'send', channel: sender, payload: ADVERT, source: A4 });
    const [packet] = await b.untilPackets(receiver, 1);
    assert.deepEqual(packet, { payload: ADVERT, source: A4, destination: GROUP4, ttl: 255, dropped: 0 });
    await close(a, sender);
    await close(b, receiver);
  });

  test('an IPv6 advert arrives with its bytes, hop limit and addresses', async () => {
    const sender = await open(a, { channel: name(), family: 6 });
    const receiver = await open(b, { channel: name(), family: 6 });
    await a.tell({ type: 'send', channel: sender, payload: ADVERT, source: A6 });
    const [packet] = await b.untilPackets(receiver, 1);
    assert.deepEqual(packet, { payload: ADVERT, source: A6, destination: GROUP6, ttl: 255, dropped: 0 });
    await close(a, sender);
    await close(b, receiver);
  });

  test('the source is chosen for each packet, on the same socket', async () => {
    const sender = await open(a, { channel: name(), family: 6 });
    const receiver = await open(b, { channel: name(), family: 6 });
    for (const source of [A6, A6_GLOBAL, A6]) await a.tell({ type: 'send', channel: sender, payload: ADVERT, source });
    const packets = await b.untilPackets(receiver, 3);
    assert.deepEqual(
      packets.map(({ source }) => source),
      [A6, A6_GLOBAL, A6],
    );
    await close(a, sender);
    await close(b, receiver);
  });

  test('on the wire an IPv4 advert is byte for byte what NetBSD sends, but for the source MAC', async () => {
    const sender = await open(a, { channel: name(), family: 4 });
    const { frames, text } = await captureAtB(1, () =>
      a.tell({ type: 'send', channel: sender, payload: ADVERT, source: A4 }),
    );
    const theirs = vector('netbsd-v4-multicast');
    assert.equal(frames[0]?.slice(0, 12), theirs.slice(0, 12), 'Ethernet destination');
    assert.equal(frames[0]?.slice(12, 24), '02000000000a', 'Ethernet source');
    assert.equal(frames[0]?.slice(24), theirs.slice(24));
    assert.match(text, /tos 0x10, ttl 255, id 0, offset 0, flags \[DF\], proto VRRP \(112\), length 56/);
    assert.match(text, /192\.0\.2\.11 > 224\.0\.0\.18: CARPv2-advertise 36: vhid=1 advbase=1 advskew=0/);
    await close(a, sender);
  });

  test('on the wire an IPv6 advert is byte for byte what OpenBSD sends, but for the source MAC', async () => {
    const theirs = vector('openbsd-v6-multicast');
    const sender = await open(a, { channel: name(), family: 6, tos: 0 });
    const { frames } = await captureAtB(1, () =>
      a.tell({ type: 'send', channel: sender, payload: advertOf(theirs), source: A6 }),
    );
    assert.equal(frames[0]?.slice(0, 12), theirs.slice(0, 12), 'Ethernet destination');
    assert.equal(frames[0]?.slice(24), theirs.slice(24));
    await close(a, sender);
  });

  test('the type of service is the one that was asked for', async () => {
    const ipv4 = await open(a, { channel: name(), family: 4, tos: 0xe0 });
    const ipv6 = await open(a, { channel: name(), family: 6, tos: 0xe0 });
    const { text } = await captureAtB(2, async () => {
      await a.tell({ type: 'send', channel: ipv4, payload: ADVERT, source: A4 });
      await a.tell({ type: 'send', channel: ipv6, payload: ADVERT, source: A6 });
    });
    assert.match(text, /tos 0xe0, ttl 255/);
    assert.match(text, /class 0xe0, hlim 255/);
    await close(a, ipv4);
    await close(a, ipv6);
  });

  for (const [family, group, source] of [
    [4, GROUP4, A4],
    [6, GROUP6, A6],
  ] as const) {
    const unicast = family === 4 ? B4 : B6_GLOBAL;
    const unicastSource = family === 4 ? A4 : A6_GLOBAL;

    test(`IPv${family}: another vhid, and unicast without peers, are not delivered`, async () => {
      const receiver = await open(b, { channel: name(), family });
      const forged = { type: 'forge', interface: 'eth0', source, destination: group, ttl: 255 } as const;
      await a.tell({ ...forged, payload: withByte(1, 2) });
      await a.tell({ ...forged, source: unicastSource, destination: unicast, payload: marked(1) });
      await a.tell({ ...forged, source: unicastSource, destination: unicast, ttl: 33, payload: marked(2) });
      await a.tell({ ...forged, payload: '21' });
      await a.tell({ ...forged, payload: marked(3) });
      // What came before has had its chance when the last one is here.
      const packets = await b.untilPackets(receiver, 1);
      assert.deepEqual(
        packets.map(({ payload }) => payload),
        [marked(3)],
      );
      await close(b, receiver);
    });

    test(`IPv${family}: a wrong TTL to the group is delivered, to be counted`, async () => {
      const receiver = await open(b, { channel: name(), family });
      const forged = { type: 'forge', interface: 'eth0', source, destination: group, ttl: 33 } as const;
      await a.tell({ ...forged, payload: ADVERT });
      const [packet] = await b.untilPackets(receiver, 1);
      assert.equal(packet?.ttl, 33);
      await close(b, receiver);
    });

    test(`IPv${family}: with peers, adverts go to each of them and are taken from them`, async () => {
      const sender = await open(a, { channel: name(), family, peers: [unicast] });
      const receiver = await open(b, { channel: name(), family, peers: [unicastSource] });
      await a.tell({ type: 'send', channel: sender, payload: marked(1), source: unicastSource });
      await a.tell({ type: 'forge', interface: 'eth0', source, destination: group, ttl: 255, payload: marked(2) });
      await a.tell({ type: 'forge', interface: 'eth0', source, destination: group, ttl: 255, payload: withByte(1, 9) });
      await a.tell({ type: 'send', channel: sender, payload: marked(3), source: unicastSource });
      const packets = await b.untilPackets(receiver, 3);
      assert.deepEqual(
        packets.map(({ payload, destination, ttl }) => ({ payload, destination, ttl })),
        [
          { payload: marked(1), destination: unicast, ttl: 255 },
          { payload: marked(2), destination: group, ttl: 255 },
          { payload: marked(3), destination: unicast, ttl: 255 },
        ],
      );
      await close(a, sender);
      await close(b, receiver);
    });

    test(`IPv${family}: own adverts do not come back, to no channel of the host`, async () => {
      const sender = await open(a, { channel: name(), family });
      const other = await open(a, { channel: name(), family });
      const far = await open(b, { channel: name(), family });
      await a.tell({ type: 'send', channel: sender, payload: marked(1), source });
      await b.untilPackets(far, 1);
      await b.tell({
        type: 'forge',
        interface: 'eth0',
        source: family === 4 ? B4 : 'fe80::ff:fe00:b',
        destination: group,
        ttl: 255,
        payload: marked(2),
      });
      for (const channel of [sender, other]) {
        const packets = await a.untilPackets(channel, 1);
        assert.deepEqual(
          packets.map(({ payload }) => payload),
          [marked(2)],
        );
      }
      await close(a, sender);
      await close(a, other);
      await close(b, far);
    });

    test(`IPv${family}: drain delivers at once what has arrived while the loop was blocked, and drops are counted`, async () => {
      const sender = await open(a, { channel: name(), family });
      const receiver = await open(b, { channel: name(), family });
      // More than the buffer has room for.
      const drained = await b.hold(receiver, () =>
        a.tell({ type: 'send', channel: sender, payload: ADVERT, source, times: 4000 }),
      );
      assert.ok(drained.delivered > 1000 && drained.dropped > 0, JSON.stringify(drained));
      assert.equal(drained.delivered + drained.dropped, 4000);
      await a.tell({ type: 'send', channel: sender, payload: marked(1), source });
      const next = (await b.untilPackets(receiver, drained.delivered + 1)).at(-1);
      assert.deepEqual([next?.payload, next?.dropped], [marked(1), drained.dropped]);
      await close(a, sender);
      await close(b, receiver);
    });

    test(`IPv${family}: a flood of unicast, or for another vhid, takes no room in the buffer`, async () => {
      const receiver = await open(b, { channel: name(), family });
      const flood = { type: 'forge', interface: 'eth0', ttl: 255, times: 4000 } as const;
      const drained = await b.hold(receiver, async () => {
        await a.tell({ ...flood, source: unicastSource, destination: unicast, payload: ADVERT });
        await a.tell({ ...flood, source, destination: group, payload: withByte(1, 2) });
        await a.tell({ ...flood, times: 1, source, destination: group, payload: ADVERT });
      });
      assert.deepEqual(drained, { delivered: 1, dropped: 0 });
      await close(b, receiver);
    });

    test(`IPv${family}: a channel survives that the link is down for a while`, async () => {
      const sender = await open(a, { channel: name(), family });
      const receiver = await open(b, { channel: name(), family });
      ip('-n', pair.a, 'link', 'set', 'eth0', 'down');
      try {
        const problem = await a.fails({ type: 'send', channel: sender, payload: ADVERT, source });
        assert.equal(problem.code, 'CARP_SEND');
        assert.match(problem.message, new RegExp(`cannot send to ${group} from ${source} on eth0: sendmsg: E[A-Z]+ `));
        assert.match(problem.remedy ?? '', /eth0/);
      } finally {
        ip('-n', pair.a, 'link', 'set', 'eth0', 'up');
        // The kernel drops global IPv6 addresses of a link that goes down.
        ip('-n', pair.a, 'addr', 'replace', '2001:db8::11/64', 'dev', 'eth0', 'nodad');
      }
      await pair.settled();
      await a.tell({ type: 'send', channel: sender, payload: ADVERT, source });
      await b.untilPackets(receiver, 1);
      await b.tell({
        type: 'forge',
        interface: 'eth0',
        source: family === 4 ? B4 : 'fe80::ff:fe00:b',
        destination: group,
        ttl: 255,
        payload: marked(7),
      });
      const back = await a.untilPackets(sender, 1);
      assert.equal(back[0]?.payload, marked(7));
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
    const problem = await a.fails({ ...opening({ channel: name(), family: 4 }), interface: 'nowhere0' } as Order);
    assert.equal(problem.code, 'CARP_NO_INTERFACE');
    assert.match(problem.message, /nowhere0/);
    assert.match(problem.remedy ?? '', /ip link/);
  });

  /** An interface with a number, so that it can come back as the very same. */
  const addLink = (): void => {
    ip('-n', pair.a, 'link', 'add', 'gone0', 'index', '4711', 'type', 'veth', 'peer', 'name', 'gone1');
    ip('-n', pair.a, 'link', 'set', 'gone0', 'up');
  };

  test('an interface that is deleted ends the stream with an error', async () => {
    for (const family of [4, 6] as const) {
      addLink();
      const channel = name();
      await a.tell({ type: 'open', channel, interface: 'gone0', family, vhid: 1 });
      ip('-n', pair.a, 'link', 'del', 'gone0');
      const problem = await a.untilError(channel);
      assert.equal(problem.code, 'CARP_NO_INTERFACE');
      assert.match(problem.message, /gone0 has gone/);
      const sent = await a.fails({ type: 'send', channel, payload: ADVERT, source: A4 });
      assert.equal(sent.code, 'CARP_SEND');
      await close(a, channel);
    }
  });

  test('so does one that is back at once with the same name and number, and it can be opened again', async () => {
    addLink();
    const channel = name();
    await a.tell({ type: 'open', channel, interface: 'gone0', family: 4, vhid: 1 });
    await a.hold(channel, () => {
      ip('-n', pair.a, 'link', 'del', 'gone0');
      addLink();
    });
    assert.equal((await a.untilError(channel)).code, 'CARP_NO_INTERFACE');
    const again = name();
    await a.tell({ type: 'open', channel: again, interface: 'gone0', family: 4, vhid: 1 });
    await close(a, again);
    ip('-n', pair.a, 'link', 'del', 'gone0');
  });

  test('so does one that is renamed', async () => {
    addLink();
    const channel = name();
    await a.tell({ type: 'open', channel, interface: 'gone0', family: 4, vhid: 1 });
    ip('-n', pair.a, 'link', 'set', 'gone0', 'down');
    ip('-n', pair.a, 'link', 'set', 'gone0', 'name', 'moved0');
    assert.equal((await a.untilError(channel)).code, 'CARP_NO_INTERFACE');
    ip('-n', pair.a, 'link', 'del', 'moved0');
  });

  test('without privileges the capabilities and the ways to give them are named', async (t) => {
    const reason = unreadableByOthers(new URL('../support/adapter-child.js', import.meta.url).pathname);
    if (reason !== false) return t.skip(reason);
    const nobody = await pair.child(pair.a, ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups']);
    const problem = await nobody.fails(opening({ channel: name(), family: 4 }));
    assert.equal(problem.code, 'CARP_NO_PERMISSION');
    assert.match(problem.message, /CAP_NET_RAW/);
    assert.match(problem.remedy ?? '', /sudo carp run/);
    assert.match(problem.remedy ?? '', /AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN/);
    assert.match(problem.remedy ?? '', /setcap cap_net_raw,cap_net_admin\+ep/);
  });

  test('with the two capabilities somebody who is not root has a channel', async (t) => {
    const reason = unreadableByOthers(new URL('../support/adapter-child.js', import.meta.url).pathname);
    if (reason !== false) return t.skip(reason);
    const caps = ['--inh-caps', '+net_raw,+net_admin', '--ambient-caps', '+net_raw,+net_admin'];
    const ids = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
    const service = await pair.child(pair.a, ['setpriv', ...ids, ...caps]);
    const channel = await open(service, { channel: name(), family: 4 });
    await service.tell({ type: 'send', channel, payload: ADVERT, source: A4 });
    await close(service, channel);
  });

  test('an interface without IPv6 says so, and how to give it', async () => {
    addLink();
    // Less than IPv6 needs: the kernel takes it off the interface.
    ip('-n', pair.a, 'link', 'set', 'gone0', 'mtu', '1000');
    const before = (await a.tell({ type: 'descriptors' })).descriptors;
    const problem = await a.fails({ type: 'open', channel: name(), interface: 'gone0', family: 6, vhid: 1 });
    assert.equal(problem.code, 'CARP_NO_INTERFACE');
    assert.match(problem.message, /gone0 does not speak IPv6/);
    assert.match(problem.remedy ?? '', /ip link set gone0 mtu 1500/);
    assert.equal(
      (await a.tell({ type: 'descriptors' })).descriptors,
      before,
      'what was opened before the failure is closed',
    );
    ip('-n', pair.a, 'link', 'del', 'gone0');
  });

  test('channels leave no descriptors behind', async () => {
    const before = (await a.tell({ type: 'descriptors' })).descriptors;
    for (let i = 0; i < 10; i++)
      for (const family of [4, 6] as const) await close(a, await open(a, { channel: name(), family }));
    assert.equal((await a.tell({ type: 'descriptors' })).descriptors, before);
    await a.fails({ ...opening({ channel: name(), family: 4 }), interface: 'nowhere0' } as Order);
    assert.equal((await a.tell({ type: 'descriptors' })).descriptors, before);
  });
});
