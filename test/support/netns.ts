/**
 * A switch, hosts and a client, all in network namespaces of their own:
 *
 *     <prefix>-sw   bridge br0 with one port for each of the others
 *     <prefix>-h1   eth0 192.0.2.11/24   2001:db8::11/64   fe80::11/64
 *     <prefix>-h2   eth0 192.0.2.12/24 …
 *     <prefix>-cl   eth0 192.0.2.200/24  2001:db8::c8/64   fe80::c8/64
 *
 * Names contain the process id, so that several test files may run at once. Nothing is created in the namespace of the
 * machine, and everything is gone when the test ends, however it ends.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AddressReader } from './address-reader.ts';
import { Child, type ChildOptions } from './child.ts';
import { until } from './wait.ts';

const execute = promisify(execFile);
/** No command of ours takes that long; one that does hangs. */
const COMMAND_MS = 20_000;
const KILL_MS = 5000;

/** What a lan needs of a test: a place to say what is to be undone. */
export interface Scope {
  after(undo: () => void | Promise<void>): void;
}

export interface Machine {
  readonly name: string;
  readonly namespace: string;
  /** Its port on the switch. */
  readonly port: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly linkLocal: string;
  readonly mac: string;
}

export interface AddressEntry {
  readonly device: string;
  readonly local: string;
  readonly prefix: number;
  /** Seconds, or `undefined` for a permanent one. */
  readonly validLifetime: number | undefined;
  readonly secondary: boolean;
}

/** What `ip -j addr` prints, as far as it is looked at. */
interface LinkText {
  readonly ifname: string;
  readonly addr_info: readonly {
    readonly local: string;
    readonly prefixlen: number;
    readonly valid_life_time: number;
    readonly secondary?: boolean;
  }[];
}

/** Runs a program and gives its output back. @throws Error with what it said */
export const run = async (...argv: readonly string[]): Promise<string> => {
  const [file = '', ...args] = argv;
  const { stdout } = await execute(file, args, { timeout: COMMAND_MS, maxBuffer: 64 * 1024 * 1024 });
  return stdout;
};

let lans = 0;
const live = new Set<Lan>();
const FOREVER = 0xffffffff;

const machine = (prefix: string, name: string, port: string, last: number): Machine => ({
  name,
  namespace: `${prefix}-${name}`,
  port,
  ipv4: `192.0.2.${last}`,
  ipv6: `2001:db8::${name === 'cl' ? 'c8' : last}`,
  linkLocal: `fe80::${name === 'cl' ? 'c8' : last}`,
  mac: `02:00:00:00:00:${last.toString(16).padStart(2, '0')}`,
});

export class Lan {
  readonly hosts: readonly Machine[];
  readonly client: Machine;
  readonly folder: string;
  readonly switchNamespace: string;
  readonly #children = new Set<Child>();
  /** Measuring instruments: they survive a power cut. */
  readonly #instruments = new Set<Child>();
  #reader: AddressReader | undefined;

  private constructor(hosts: number) {
    lans += 1;
    const prefix = `carp${process.pid}x${lans}`;
    this.hosts = Array.from({ length: hosts }, (_, index) =>
      machine(prefix, `h${index + 1}`, `p${index + 1}`, 11 + index),
    );
    this.client = machine(prefix, 'cl', 'pc', 200);
    this.switchNamespace = `${prefix}-sw`;
    this.folder = mkdtempSync(join(tmpdir(), `${prefix}-`));
    live.add(this);
  }

  /** Builds a lan that goes when the test ends. */
  static async create(scope: Scope, hosts = 2): Promise<Lan> {
    const lan = new Lan(hosts);
    scope.after(() => lan.teardown());
    await lan.#build();
    return lan;
  }

  /** Host number 1, 2 … */
  host(number: number): Machine {
    const found = this.hosts[number - 1];
    if (found === undefined)
      throw new RangeError(`this lan has ${this.hosts.length} hosts, there is no host ${number}`);
    return found;
  }

  async #build(): Promise<void> {
    const sw = this.switchNamespace;
    await run('ip', 'netns', 'add', sw);
    const bridge = 'type bridge stp_state 0 forward_delay 0 mcast_snooping 0'.split(' ');
    await run('ip', '-n', sw, 'link', 'add', 'br0', ...bridge);
    await run('ip', '-n', sw, 'link', 'set', 'br0', 'addrgenmode', 'none');
    await run('ip', '-n', sw, 'link', 'set', 'br0', 'up');
    for (const each of [...this.hosts, this.client]) {
      const inside = (...args: readonly string[]): Promise<string> => run('ip', '-n', each.namespace, ...args);
      await run('ip', 'netns', 'add', each.namespace);
      await inside('link', 'set', 'lo', 'up');
      const peer = ['peer', 'name', 'eth0', 'address', each.mac, 'netns', each.namespace];
      await run('ip', '-n', sw, 'link', 'add', each.port, 'type', 'veth', ...peer);
      await run('ip', '-n', sw, 'link', 'set', each.port, 'addrgenmode', 'none');
      await run('ip', '-n', sw, 'link', 'set', each.port, 'master', 'br0', 'up');
      // Addresses are given without duplicate address detection, which would cost each test two seconds.
      await inside('link', 'set', 'eth0', 'addrgenmode', 'none');
      await inside('link', 'set', 'eth0', 'up');
      await inside('addr', 'add', `${each.linkLocal}/64`, 'dev', 'eth0', 'scope', 'link', 'nodad');
      await inside('addr', 'add', `${each.ipv4}/24`, 'dev', 'eth0');
      await inside('addr', 'add', `${each.ipv6}/64`, 'dev', 'eth0', 'nodad');
    }
    await run('ip', '-n', this.client.namespace, 'route', 'add', '198.51.100.0/24', 'dev', 'eth0');
  }

  /** Starts a program on a machine; it is killed at the end of the test, and in a power cut. */
  start(on: Machine, name: string, argv: readonly string[], options: ChildOptions = {}): Child {
    return this.#start(on.namespace, `${name} on ${on.name}`, argv, options, this.#children);
  }

  /** Starts a measuring instrument, which a power cut leaves alone. */
  instrument(namespace: string, name: string, argv: readonly string[]): Child {
    return this.#start(namespace, name, argv, {}, this.#instruments);
  }

  #start(namespace: string, name: string, argv: readonly string[], options: ChildOptions, kind: Set<Child>): Child {
    const child = new Child(name, ['ip', 'netns', 'exec', namespace, ...argv], options);
    kind.add(child);
    return child;
  }

  /** Runs a program on a machine to its end. */
  exec(on: Machine, ...argv: readonly string[]): Promise<string> {
    return run('ip', 'netns', 'exec', on.namespace, ...argv);
  }

  async addresses(on: Machine): Promise<readonly AddressEntry[]> {
    this.#reader ??= new AddressReader();
    const links = JSON.parse(await this.#reader.read(on.namespace)) as readonly LinkText[];
    return links.flatMap(({ ifname, addr_info }) =>
      addr_info.map((info) => ({
        device: ifname,
        local: info.local,
        prefix: info.prefixlen,
        validLifetime: info.valid_life_time === FOREVER ? undefined : info.valid_life_time,
        secondary: info.secondary === true,
      })),
    );
  }

  /** Addresses of eth0 as `local/prefix`, sorted: what a host has to keep whatever happens. */
  async addressList(on: Machine): Promise<readonly string[]> {
    const entries = await this.addresses(on);
    return entries
      .filter(({ device }) => device !== 'lo')
      .map(({ local, prefix }) => `${local}/${prefix}`)
      .sort();
  }

  /** Names of the hosts that have the address now, whatever the interface. */
  async holders(address: string): Promise<readonly string[]> {
    const lists = await Promise.all(this.hosts.map((each) => this.addresses(each)));
    return this.hosts
      .filter((_, index) => lists[index]?.some(({ local }) => local === address))
      .map(({ name }) => name);
  }

  untilHolders(address: string, expected: readonly string[], withinMs: number): Promise<unknown> {
    let last: readonly string[] = [];
    return until(
      `${address} to be held by [${expected}]`,
      withinMs,
      async () => {
        last = await this.holders(address);
        return last.join() === expected.join();
      },
      () => `It is held by [${last}].${this.report()}`,
    );
  }

  /** Frames vanish in both directions, and nobody is told. */
  async silence(on: Machine): Promise<void> {
    await run('ip', '-n', this.switchNamespace, 'link', 'set', on.port, 'nomaster');
  }

  async unsilence(on: Machine): Promise<void> {
    await run('ip', '-n', this.switchNamespace, 'link', 'set', on.port, 'master', 'br0');
  }

  /** Pulls the cable, or plugs it in again: the host sees its carrier change. */
  async cable(on: Machine, state: 'up' | 'down'): Promise<void> {
    await run('ip', '-n', this.switchNamespace, 'link', 'set', on.port, state);
  }

  /** Not one more frame, and every program is dead. */
  async powerOff(on: Machine): Promise<void> {
    await this.silence(on);
    const instruments = new Set([...this.#instruments].map(({ pid }) => pid));
    for (const pid of await pidsIn(on.namespace)) if (!instruments.has(pid)) kill(pid);
  }

  /** All that was said, for messages of failed tests. */
  report(): string {
    return [...this.#children].map((child) => child.report()).join('');
  }

  async teardown(): Promise<void> {
    if (!live.has(this)) return;
    const all = [...this.#children, ...this.#instruments];
    for (const child of all) child.signal('SIGKILL');
    this.#reader?.stop();
    for (const namespace of this.#namespaces()) {
      // A program may have started others; what lives in our namespaces is ours.
      await until(`${namespace} to be empty`, KILL_MS, async () => {
        const pids = await pidsIn(namespace);
        for (const pid of pids) kill(pid);
        return pids.length === 0;
      });
      await run('ip', 'netns', 'del', namespace).catch(() => {});
    }
    rmSync(this.folder, { recursive: true, force: true });
    live.delete(this);
  }

  /** The same when there is no time left, because the process ends. */
  abandon(): void {
    for (const namespace of this.#namespaces()) {
      try {
        const pids = execFileSync('ip', ['netns', 'pids', namespace], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        });
        for (const pid of pids.split('\n').filter((line) => line !== '')) kill(Number(pid));
        execFileSync('ip', ['netns', 'del', namespace], { stdio: 'ignore' });
      } catch {
        // It was never made, or has gone already.
      }
    }
    rmSync(this.folder, { recursive: true, force: true });
    live.delete(this);
  }

  #namespaces(): readonly string[] {
    return [...this.hosts.map(({ namespace }) => namespace), this.client.namespace, this.switchNamespace];
  }
}

const pidsIn = async (namespace: string): Promise<readonly number[]> => {
  const output = await run('ip', 'netns', 'pids', namespace).catch(() => '');
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
};

const kill = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
};

/** A test runner that is interrupted, or a file that takes too long, must not leave namespaces behind. */
const abandonAll = (): void => {
  for (const lan of live) lan.abandon();
};
process.once('exit', abandonAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    abandonAll();
    process.exit(1);
  });
