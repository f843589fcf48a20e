/**
 * Runs the Linux adapters inside a network namespace for a test outside: a Node process lives in one namespace, so this
 * file is started with `ip netns exec` and takes its orders through IPC.
 */
import { existsSync, readdirSync } from 'node:fs';
import { createAnnouncer } from '../../src/adapters/linux/announcer.ts';
import { createInterfaces } from '../../src/adapters/linux/interfaces.ts';
import { createKernel } from '../../src/adapters/linux/kernel.ts';
import { createKoffiTransport } from '../../src/adapters/linux/koffi-transport.ts';
import { libc } from '../../src/adapters/linux/libc.ts';
import { Linux } from '../../src/adapters/linux/linux-constants.ts';
import { membership } from '../../src/adapters/linux/receive-socket.ts';
import { socketAddress } from '../../src/adapters/linux/sockaddr.ts';
import { createRawSocketTransport } from '../../src/adapters/raw-socket/raw-socket-transport.ts';
import { type Problem, problemOf } from '../../src/ports/error.ts';
import type { Interfaces } from '../../src/ports/interfaces.ts';
import type { Channel, Transport } from '../../src/ports/transport.ts';
import { type Family, type IpAddress, parseAddress } from '../../src/protocol/address.ts';
import { vhid } from '../../src/protocol/units.ts';

export interface SentPacket {
  readonly interface: string;
  readonly source: string;
  readonly destination: string;
  readonly ttl: number;
  /** Hexadecimal. */
  readonly payload: string;
  readonly times?: number;
}

export type Order =
  | {
      readonly type: 'open';
      readonly channel: string;
      readonly interface: string;
      readonly family: Family;
      readonly vhid: number;
      readonly peers?: readonly string[];
      readonly tos?: number;
      readonly broadcast?: boolean;
      /** Default: koffi. */
      readonly transport?: 'koffi' | 'raw-socket';
      /** Default: true. */
      readonly checksTtl?: boolean;
    }
  | {
      readonly type: 'send';
      readonly channel: string;
      readonly payload: string;
      readonly source: string;
      readonly times?: number;
    }
  /** Says `held`, blocks the event loop until the file is there, drains, and answers with what that brought. */
  | { readonly type: 'hold'; readonly channel: string; readonly until: string }
  | { readonly type: 'close'; readonly channel: string }
  /** Answers with the number of open file descriptors. */
  | { readonly type: 'descriptors' }
  | { readonly type: 'announce'; readonly interface: string; readonly addresses: readonly string[] }
  /** A packet of protocol 112 as somebody else could send it. */
  | ({ readonly type: 'forge' } & SentPacket);

export interface SeenPacket {
  readonly payload: string;
  readonly source: string;
  readonly destination: string;
  readonly ttl: number | undefined;
  readonly dropped: number;
}

export interface Drained {
  readonly delivered: number;
  readonly dropped: number;
}

export type Report =
  | { readonly type: 'ready' }
  | { readonly type: 'held' }
  | { readonly type: 'done'; readonly drained?: Drained; readonly descriptors?: number }
  | { readonly type: 'failed'; readonly problem: Problem }
  | { readonly type: 'packet'; readonly channel: string; readonly packet: SeenPacket }
  | { readonly type: 'error'; readonly channel: string; readonly problem: Problem }
  | { readonly type: 'complete'; readonly channel: string };

const HOLD_STEP_MS = 5;
const HOLD_MAX_MS = 10_000;

const channels = new Map<string, { readonly channel: Channel; seen: number }>();
const report = (message: Report, sent?: () => void): void => {
  process.send?.(message, undefined, {}, sent);
};

const addressIn = (text: string): IpAddress => {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`not an address: ${text}`);
  return address;
};
const opened = (name: string) => {
  const found = channels.get(name);
  if (found === undefined) throw new Error(`no channel ${name}`);
  return found;
};

let interfaces: Interfaces | undefined;
/** All channels share one netlink socket, as in the agent. */
const rawSocketTransport = (): Transport => {
  interfaces ??= createInterfaces(createKernel());
  return createRawSocketTransport(interfaces);
};

const transportOf = ({ transport = 'koffi' }: Extract<Order, { type: 'open' }>): Transport =>
  transport === 'koffi' ? createKoffiTransport() : rawSocketTransport();

const open = (order: Extract<Order, { type: 'open' }>): void => {
  const channel = transportOf(order).open({
    interface: order.interface,
    family: order.family,
    vhid: vhid(order.vhid),
    peers: (order.peers ?? []).map(addressIn),
    tos: order.tos ?? 0x10,
    checksTtl: order.checksTtl ?? true,
    broadcast: order.broadcast ?? false,
  });
  const entry = { channel, seen: 0 };
  channels.set(order.channel, entry);
  channel.packets$.subscribe({
    next: ({ payload, source, destination, ttl, dropped }) => {
      entry.seen++;
      const packet = {
        payload: Buffer.from(payload).toString('hex'),
        source: source.text,
        destination: destination.text,
        ttl,
        dropped,
      };
      report({ type: 'packet', channel: order.channel, packet });
    },
    error: (error) => report({ type: 'error', channel: order.channel, problem: problemOf(error) }),
    complete: () => report({ type: 'complete', channel: order.channel }),
  });
};

const hold = ({ channel: name, until }: Extract<Order, { type: 'hold' }>): void => {
  const entry = opened(name);
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; !existsSync(until) && waited < HOLD_MAX_MS; waited += HOLD_STEP_MS)
    Atomics.wait(cell, 0, 0, HOLD_STEP_MS);
  const before = entry.seen;
  entry.channel.drain();
  report({ type: 'done', drained: { delivered: entry.seen - before, dropped: entry.channel.dropped() } });
};

const forge = ({ interface: name, source, destination, ttl, payload, times = 1 }: SentPacket): void => {
  const c = libc();
  const to = addressIn(destination);
  const ifIndex = c.ifIndex(name);
  const fd = c.socket(to.family === 4 ? Linux.AF_INET : Linux.AF_INET6, Linux.SOCK_RAW, 112);
  if (to.family === 4) {
    c.setsockopt(fd, Linux.SOL_IP, Linux.IP_MULTICAST_IF, membership(addressIn('0.0.0.0'), ifIndex));
    c.setsockopt(fd, Linux.SOL_IP, Linux.IP_MULTICAST_TTL, ttl);
    c.setsockopt(fd, Linux.SOL_IP, Linux.IP_TTL, ttl);
  } else {
    c.setsockopt(fd, Linux.SOL_IPV6, Linux.IPV6_MULTICAST_IF, ifIndex);
    c.setsockopt(fd, Linux.SOL_IPV6, Linux.IPV6_MULTICAST_HOPS, ttl);
    c.setsockopt(fd, Linux.SOL_IPV6, Linux.IPV6_UNICAST_HOPS, ttl);
  }
  c.bind(fd, socketAddress(addressIn(source), ifIndex));
  for (let i = 0; i < times; i++) c.sendto(fd, Buffer.from(payload, 'hex'), socketAddress(to, ifIndex));
  c.close(fd);
};

const send = ({ channel: name, payload, source, times = 1 }: Extract<Order, { type: 'send' }>): void => {
  const { channel } = opened(name);
  for (let i = 0; i < times; i++) channel.send(Buffer.from(payload, 'hex'), addressIn(source));
};

const obey = (order: Order): void => {
  switch (order.type) {
    case 'open':
      open(order);
      break;
    case 'send':
      send(order);
      break;
    case 'close':
      opened(order.channel).channel.close();
      break;
    case 'announce':
      createAnnouncer().announce(order.interface, order.addresses.map(addressIn));
      break;
    case 'forge':
      forge(order);
      break;
    case 'descriptors':
      report({ type: 'done', descriptors: readdirSync('/proc/self/fd').length });
      return;
    case 'hold':
      // Only once the other side has the message may the loop be blocked.
      report({ type: 'held' }, () => hold(order));
      return;
  }
  report({ type: 'done' });
};

process.on('message', (order: Order) => {
  try {
    obey(order);
  } catch (error) {
    report({ type: 'failed', problem: problemOf(error) });
  }
});
process.on('disconnect', () => process.exit(0));
report({ type: 'ready' });
