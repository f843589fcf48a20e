/**
 * Two namespaces joined by one cable, and adapters that run in them:
 *
 *     <a>  eth0  02:00:00:00:00:0a  192.0.2.11/24  2001:db8::11/64  fe80::ff:fe00:a/64
 *     <b>  eth0  02:00:00:00:00:0b  192.0.2.12/24  2001:db8::12/64  fe80::ff:fe00:b/64
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Problem } from '../../src/ports/error.ts';
import type { Drained, Order, Report, SeenPacket } from './adapter-child.ts';
import { until } from './wait.ts';

const CHILD = fileURLToPath(new URL('./adapter-child.js', import.meta.url));
/** Generous: starting node on a busy machine is the slowest thing that happens here. */
const WAIT_MS = 20_000;

export const ip = (...args: readonly string[]): string => execFileSync('ip', args, { encoding: 'utf8' });

/** Somebody who can be told to use the adapters in a namespace. */
export class AdapterChild {
  readonly reports: Report[] = [];
  readonly #process: ChildProcess;
  #answers = 0;
  #ended = false;

  /** @param as - what comes before node on the command line, such as setpriv with its options */
  constructor(namespace: string, as: readonly string[] = []) {
    const argv = ['netns', 'exec', namespace, ...as, process.execPath, CHILD];
    this.#process = spawn('ip', argv, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#process.on('message', (message: Report) => this.reports.push(message));
    this.#process.on('exit', () => {
      this.#ended = true;
    });
    this.#process.on('error', () => {
      this.#ended = true;
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  async ready(): Promise<this> {
    await this.until('the child to be ready', () => this.reports.some(({ type }) => type === 'ready'));
    return this;
  }

  until<T>(what: string, look: () => T | undefined | false): Promise<T> {
    return until(
      what,
      WAIT_MS,
      () => {
        const seen = look();
        if ((seen === undefined || seen === false) && this.#ended) throw new Error(`the child ended before ${what}`);
        return seen;
      },
      () => `It reported ${JSON.stringify(this.reports).slice(0, 2000)}`,
    );
  }

  /** Gives an order without waiting for the answer, which `answer` brings. */
  order(order: Order): void {
    this.#process.send(order);
  }

  /** The answer to the next order that was not answered yet. */
  async answer(): Promise<Extract<Report, { type: 'done' | 'failed' }>> {
    const index = this.#answers++;
    return this.until('an answer', () => this.reports.filter((r) => r.type === 'done' || r.type === 'failed')[index]);
  }

  /** Gives an order that has to succeed. */
  async tell(order: Order): Promise<Extract<Report, { type: 'done' }>> {
    this.order(order);
    const answer = await this.answer();
    if (answer.type === 'failed') throw new Error(`${order.type} failed: ${JSON.stringify(answer.problem)}`);
    return answer;
  }

  /** Gives an order that has to fail. */
  async fails(order: Order): Promise<Problem> {
    this.order(order);
    const answer = await this.answer();
    if (answer.type === 'done') throw new Error(`${order.type} should have failed`);
    return answer.problem;
  }

  /** Blocks the child's event loop while `act` runs, and then drains the channel. */
  async hold(channel: string, act: () => unknown): Promise<Drained> {
    const folder = mkdtempSync(join(tmpdir(), 'carp-hold-'));
    try {
      const held = (): number => this.reports.filter(({ type }) => type === 'held').length;
      const earlier = held();
      const go = join(folder, 'go');
      this.order({ type: 'hold', channel, until: go });
      await this.until('the child to hold', () => held() > earlier);
      await act();
      writeFileSync(go, '');
      const answer = await this.answer();
      if (answer.type === 'failed' || answer.drained === undefined) throw new Error(JSON.stringify(answer));
      return answer.drained;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  packets(channel: string): readonly SeenPacket[] {
    return this.reports.flatMap((r) => (r.type === 'packet' && r.channel === channel ? [r.packet] : []));
  }

  async untilPackets(channel: string, count: number): Promise<readonly SeenPacket[]> {
    return this.until(`${count} packets on ${channel}`, () => {
      const seen = this.packets(channel);
      return seen.length >= count && seen;
    });
  }

  async untilError(channel: string): Promise<Problem> {
    return this.until(`an error of ${channel}`, () => {
      const found = this.reports.find((r) => r.type === 'error' && r.channel === channel);
      return found?.type === 'error' && found.problem;
    });
  }

  kill(): void {
    if (!this.#ended) this.#process.kill('SIGKILL');
  }
}

let pairs = 0;

export class VethPair {
  readonly a: string;
  readonly b: string;
  readonly #children: AdapterChild[] = [];

  constructor() {
    const name = `carp-veth-${process.pid}-${++pairs}`;
    this.a = `${name}-a`;
    this.b = `${name}-b`;
    process.once('exit', this.#remove);
    try {
      for (const namespace of [this.a, this.b]) {
        ip('netns', 'add', namespace);
        // Addresses must be usable at once, without duplicate address detection.
        execFileSync('ip', ['netns', 'exec', namespace, 'sysctl', '-qw', 'net.ipv6.conf.default.accept_dad=0']);
        ip('-n', namespace, 'link', 'set', 'lo', 'up');
      }
      const peer = ['type', 'veth', 'peer', 'name', 'eth0', 'address', '02:00:00:00:00:0b', 'netns', this.b];
      ip('-n', this.a, 'link', 'add', 'eth0', 'address', '02:00:00:00:00:0a', ...peer);
      for (const [namespace, last] of [
        [this.a, 11],
        [this.b, 12],
      ] as const) {
        ip('-n', namespace, 'addr', 'add', `192.0.2.${last}/24`, 'dev', 'eth0');
        ip('-n', namespace, 'addr', 'add', `2001:db8::${last}/64`, 'dev', 'eth0', 'nodad');
        ip('-n', namespace, 'link', 'set', 'eth0', 'up');
      }
    } catch (error) {
      this.#remove();
      throw error;
    }
  }

  async child(namespace: string, as?: readonly string[]): Promise<AdapterChild> {
    const child = new AdapterChild(namespace, as);
    this.#children.push(child);
    return child.ready();
  }

  /** Until both ends have carrier and link-local addresses that may be used. */
  async settled(): Promise<void> {
    for (const namespace of [this.a, this.b])
      await until(`addresses in ${namespace}`, WAIT_MS, () => {
        const text = ip('-n', namespace, 'addr', 'show', 'dev', 'eth0');
        return text.includes('state UP') && text.includes('inet6 fe80') && !text.includes('tentative');
      });
  }

  close(): void {
    process.off('exit', this.#remove);
    this.#remove();
  }

  readonly #remove = (): void => {
    for (const child of this.#children) child.kill();
    for (const namespace of [this.a, this.b])
      try {
        execFileSync('ip', ['netns', 'del', namespace], { stdio: 'ignore' });
      } catch {
        // It was never made, or has gone already.
      }
  };
}

/** Each pair is removed when the process ends: it has to end properly for that. */
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
