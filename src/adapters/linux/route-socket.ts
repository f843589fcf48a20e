import { getSystemErrorName } from 'node:util';
import { type Libc, libc, SystemCallError } from './libc.ts';
import { Linux } from './linux-constants.ts';
import { concatBytes, encodeMessage, NetlinkFlag } from './netlink.ts';
import { decodeAnswers, type Outcome, type RouteMessage, type RouteRequest } from './rtnetlink.ts';

export const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;

/** One datagram carries at most so many requests: 92 KiB of them, half of the default send buffer. */
const REQUESTS_MAX = 1000;
/** Room for an error for each of them (about 1 KiB of kernel memory each). */
export const RECEIVE_BUFFER = 4 * 1024 * 1024;
/** The kernel fills dumps up to 32 KiB when it is offered that much. */
export const DATAGRAM_MAX = 64 * 1024;
/** A dump that is interrupted by changes is repeated so often; then what came is taken as it is. */
const DUMPS_MAX = 5;

/** sockaddr_nl: family u16, pad u16, port u32, groups u32. Port 0: the kernel chooses. */
export const netlinkAddress = (groups: number): Uint8Array => {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, Linux.AF_NETLINK, true);
  view.setUint32(8, groups, true);
  return bytes;
};

/** A name such as ENODEV, with the kernel's explanation if it gave one. */
export const outcomeText = ({ errno, text }: Outcome): string =>
  errno === 0 ? 'done' : `${getSystemErrorName(-errno)}${text === undefined ? '' : ` (${text})`}`;

/**
 * Asks the kernel, synchronously: it answers requests before sendto returns, and goes on with a dump in recv.
 *
 * The socket is opened by the first request and stays open for the life of the process.
 */
export class RouteSocket {
  readonly #buffer = new Uint8Array(DATAGRAM_MAX);
  #fd: number | undefined;
  #sequence = 0;

  #open(): { readonly c: Libc; readonly fd: number } {
    const c = libc();
    if (this.#fd !== undefined) return { c, fd: this.#fd };
    const fd = c.socket(Linux.AF_NETLINK, Linux.SOCK_RAW, Linux.NETLINK_ROUTE);
    try {
      c.bind(fd, netlinkAddress(0));
      c.setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
      c.setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
      enlargeReceiveBuffer(c, fd, RECEIVE_BUFFER);
    } catch (error) {
      c.close(fd);
      throw error;
    }
    this.#fd = fd;
    return { c, fd };
  }

  #nextSequence(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }

  /** All links or addresses. @throws SystemCallError */
  dump(request: RouteRequest): readonly RouteMessage[] {
    for (let attempt = 1; ; attempt++) {
      const { found, interrupted } = this.#dumpOnce(request);
      if (!interrupted || attempt >= DUMPS_MAX) return found;
    }
  }

  #dumpOnce(request: RouteRequest): { found: readonly RouteMessage[]; interrupted: boolean } {
    const { c, fd } = this.#open();
    const sequence = this.#nextSequence();
    c.sendto(fd, encodeMessage({ ...request, sequence }), netlinkAddress(0));
    const found: RouteMessage[] = [];
    let interrupted = false;
    for (;;) {
      const datagram = this.#receive(c, fd);
      const decoded = decodeAnswers(datagram);
      interrupted ||= decoded.interrupted;
      for (const answer of decoded.answers) {
        if (answer.type === 'done') {
          if (answer.sequence === sequence) return { found, interrupted };
        } else if (answer.type === 'outcome') {
          if (answer.sequence === sequence)
            throw new SystemCallError('netlink dump', outcomeText(answer.outcome), 'the kernel refused it');
        } else found.push(answer);
      }
    }
  }

  /**
   * Runs requests in order, in as few datagrams as possible, whether or not those before them succeed.
   *
   * Only the last of a datagram asks for an acknowledgement, since errors are reported in any case.
   *
   * @returns one outcome for each request
   * @throws SystemCallError when the datagram could not be sent, or the answers were lost: then the outcome is unknown
   */
  transact(requests: readonly RouteRequest[]): readonly Outcome[] {
    const outcomes: Outcome[] = [];
    for (let at = 0; at < requests.length; at += REQUESTS_MAX)
      outcomes.push(...this.#transactSome(requests.slice(at, at + REQUESTS_MAX)));
    return outcomes;
  }

  #transactSome(requests: readonly RouteRequest[]): readonly Outcome[] {
    const { c, fd } = this.#open();
    const sequences = requests.map(() => this.#nextSequence());
    const last = sequences.at(-1) ?? 0;
    const messages = requests.map((request, i) => {
      const sequence = sequences[i] ?? 0;
      const ack = sequence === last ? NetlinkFlag.ACK : 0;
      return encodeMessage({ ...request, sequence, flags: request.flags | ack });
    });
    c.sendto(fd, concatBytes(messages), netlinkAddress(0));
    const failures = new Map<number, Outcome>();
    while (!failures.has(last)) {
      for (const answer of decodeAnswers(this.#receive(c, fd)).answers)
        if (answer.type === 'outcome') failures.set(answer.sequence, answer.outcome);
    }
    return sequences.map((sequence) => failures.get(sequence) ?? { errno: 0 });
  }

  #receive(c: Libc, fd: number): Uint8Array {
    const length = c.recv(fd, this.#buffer);
    if (length === undefined) throw new SystemCallError('netlink', 'EAGAIN', 'the kernel did not answer');
    return this.#buffer.subarray(0, length);
  }
}

/** The ordinary limit may be too small for a burst; going beyond it takes CAP_NET_ADMIN. */
export const enlargeReceiveBuffer = (c: Libc, fd: number, bytes: number): void => {
  try {
    c.setsockopt(fd, Linux.SOL_SOCKET, Linux.SO_RCVBUFFORCE, bytes);
  } catch {
    c.setsockopt(fd, Linux.SOL_SOCKET, Linux.SO_RCVBUF, bytes);
  }
};
