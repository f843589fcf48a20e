/**
 * One network namespace with a pair of interfaces, eth0 and far0: taking far0 down takes the carrier from eth0. It goes
 * when the test ends, with every process in it, also when the test run is interrupted.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KernelKind, LeaseProcess, type ProcessOptions } from './lease-process.ts';
import { run, type Scope } from './netns.ts';

const live = new Set<Namespace>();
let count = 0;

/** What `ip -j addr` prints, as far as it is wanted. */
interface Printed {
  readonly ifname: string;
  readonly addr_info?: readonly {
    readonly local: string;
    readonly prefixlen: number;
    readonly valid_life_time: number;
    readonly preferred_life_time: number;
    readonly deprecated?: boolean;
  }[];
}

export interface Entry {
  readonly device: string;
  /** `192.0.2.11/24` */
  readonly cidr: string;
  readonly permanent: boolean;
  readonly deprecated: boolean;
}

export class Namespace {
  readonly name: string;
  readonly folder: string;
  /** What its processes reach the kernel through. */
  readonly #kernel: KernelKind;
  readonly #processes = new Set<LeaseProcess>();

  private constructor(kernel: KernelKind) {
    count += 1;
    this.#kernel = kernel;
    this.name = `carpnl${process.pid}x${count}`;
    this.folder = mkdtempSync(join(tmpdir(), `${this.name}-`));
    live.add(this);
  }

  static async create(scope: Scope, kernel: KernelKind = 'netlink'): Promise<Namespace> {
    const namespace = new Namespace(kernel);
    scope.after(() => namespace.remove());
    await run('ip', 'netns', 'add', namespace.name);
    await namespace.addLinks();
    return namespace;
  }

  async addLinks(): Promise<void> {
    await this.ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'far0');
    await this.ip('link', 'set', 'far0', 'addrgenmode', 'none', 'up');
    await this.ip('link', 'set', 'eth0', 'addrgenmode', 'none', 'up');
  }

  /** Runs ip(8) inside. */
  ip(...args: readonly string[]): Promise<string> {
    return run('ip', '-n', this.name, ...args);
  }

  /** Runs sysctl(8) inside. */
  sysctl(...args: readonly string[]): Promise<string> {
    return run('ip', 'netns', 'exec', this.name, 'sysctl', ...args);
  }

  /** Runs many lines of ip(8) in one go. */
  async batch(lines: string): Promise<void> {
    const file = join(this.folder, 'batch');
    writeFileSync(file, lines);
    await this.ip('-batch', file);
  }

  /** A process with leases whose state file is in this namespace's folder. */
  start(options: ProcessOptions = {}): LeaseProcess {
    const child = new LeaseProcess(this.name, {
      state: join(this.folder, 'state'),
      kernel: this.#kernel,
      ...options,
    });
    this.#processes.add(child);
    return child;
  }

  async entries(device = 'eth0'): Promise<readonly Entry[]> {
    const links: unknown = JSON.parse(await run('ip', '-j', '-n', this.name, 'addr', 'show', 'dev', device));
    return (links as readonly Printed[]).flatMap(({ ifname, addr_info = [] }) =>
      addr_info.map((info) => ({
        device: ifname,
        cidr: `${info.local}/${info.prefixlen}`,
        permanent: info.valid_life_time === 0xffff_ffff,
        deprecated: info.deprecated === true || info.preferred_life_time === 0,
      })),
    );
  }

  async cidrs(device = 'eth0'): Promise<readonly string[]> {
    return (await this.entries(device)).map(({ cidr }) => cidr).sort();
  }

  async remove(): Promise<void> {
    if (!live.has(this)) return;
    live.delete(this);
    await Promise.all([...this.#processes].map((each) => each.kill()));
    await run('ip', 'netns', 'del', this.name).catch(() => {});
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The same without waiting, because the process ends. */
  abandon(): void {
    for (const each of this.#processes) each.signal('SIGKILL');
    try {
      execFileSync('ip', ['netns', 'del', this.name], { stdio: 'ignore' });
    } catch {
      // It was never made.
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

process.once('exit', () => {
  for (const namespace of live) namespace.abandon();
});
