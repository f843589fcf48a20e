/**
 * The state file of leases: which addresses on which interface are ours, for the next process if this one dies.
 *
 * It is written before an address is added, and need survive this process but not the machine, since a lease of another
 * boot counts for nothing: so it is not synced to the disk, and a slow disk holds up nothing but the kernel's cache.
 * A folder in /run, which is memory, is the best place for it.
 *
 * Everything that has no deadline (leases that have ended, times that are extended) is written in the background.
 *
 * `until` is coarse, an hour ahead, and extended every half hour: renewals do not write. What keeps an hour-old record
 * from claiming somebody else's address is the lifetime: the kernel's entry must have the recorded prefix and no more
 * time left than the lease had. One process owns a folder.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../ports/log.ts';
import { type Cidr, formatCidr } from '../../protocol/address.ts';
import type { HostEpoch } from './host-epoch.ts';
import type { AddressEntry } from './rtnetlink.ts';

export interface RecordedLease extends HostEpoch {
  readonly interface: string;
  /** `192.0.2.100/32` as it was added. */
  readonly address: string;
  readonly group: string;
  /** Lifetime of the address, s. */
  readonly seconds: number;
  /** After this time of CLOCK_BOOTTIME, in ms, the entry counts for nothing. */
  readonly until: number;
}

export interface LeaseRecordOptions {
  readonly folder: string;
  readonly epoch: HostEpoch;
  /** CLOCK_BOOTTIME, ms. */
  readonly bootTimeMs: () => number;
  readonly log: Log;
}

const FILE = 'leases.json';
const HORIZON_MS = 3_600_000;
/** More than any agent holds; what is beyond is not ours. */
const ENTRIES_MAX = 10_000;

const isRecorded = (value: unknown): value is RecordedLease => {
  if (typeof value !== 'object' || value === null) return false;
  const { interface: name, address, group, bootId, namespace, seconds, until } = value as Record<string, unknown>;
  const texts = [name, address, group, bootId, namespace];
  return texts.every((text) => typeof text === 'string') && [seconds, until].every(Number.isFinite);
};

/** @throws Error if it is not what `format` makes */
const parse = (text: string): readonly RecordedLease[] => {
  const content: unknown = JSON.parse(text);
  const leases = typeof content === 'object' && content !== null && 'leases' in content ? content.leases : undefined;
  if (!Array.isArray(leases) || leases.length > ENTRIES_MAX || !leases.every(isRecorded))
    throw new Error('it is not a list of leases');
  return leases;
};

const format = (leases: readonly RecordedLease[]): string => `${JSON.stringify({ leases }, undefined, 1)}\n`;

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

const keyOf = (interfaceName: string, cidr: string): string => `${interfaceName} ${cidr}`;

export class LeaseRecord {
  readonly #options: LeaseRecordOptions;
  readonly #file: string;
  readonly #entries = new Map<string, RecordedLease>();
  /** Keys of what this process holds, and therefore extends. */
  readonly #held = new Set<string>();
  /** When `extend` has something to do, by CLOCK_BOOTTIME. */
  #extendAt = Number.POSITIVE_INFINITY;
  /** Counts changes, so that a background writer sees that it was overtaken. */
  #generation = 0;
  #writing: Promise<void> | undefined;
  #warned = false;

  constructor(options: LeaseRecordOptions) {
    this.#options = options;
    this.#file = join(options.folder, FILE);
    for (const entry of this.#load()) this.#entries.set(keyOf(entry.interface, entry.address), entry);
    this.#prune();
  }

  /** Whether an entry of the kernel is a lease that we, or a predecessor of this process, have taken. */
  isOurs(interfaceName: string, entry: AddressEntry): boolean {
    const recorded = this.#entries.get(keyOf(interfaceName, formatCidr(entry)));
    if (recorded === undefined || entry.validSeconds === undefined) return false;
    return recorded.until > this.#options.bootTimeMs() && entry.validSeconds <= recorded.seconds;
  }

  /** On return it is on record, as far as the disk allows. */
  add(lease: { interface: string; group: string; seconds: number; addresses: readonly Cidr[] }): void {
    const { epoch, bootTimeMs } = this.#options;
    const until = bootTimeMs() + HORIZON_MS;
    for (const cidr of lease.addresses) {
      const address = formatCidr(cidr);
      const key = keyOf(lease.interface, address);
      const { interface: name, group, seconds } = lease;
      this.#entries.set(key, { interface: name, address, group, seconds, ...epoch, until });
      this.#held.add(key);
    }
    this.#extendAt = Math.min(this.#extendAt, until - HORIZON_MS / 2);
    if (lease.addresses.length > 0) this.#writeNow();
  }

  remove(interfaceName: string, addresses: readonly Cidr[]): void {
    for (const cidr of addresses) {
      const key = keyOf(interfaceName, formatCidr(cidr));
      this.#entries.delete(key);
      this.#held.delete(key);
    }
    if (addresses.length > 0) this.#writeSoon();
  }

  /** Extends what is held. Costs nothing most of the time: call it with each renewal. */
  extend(): void {
    const now = this.#options.bootTimeMs();
    if (now < this.#extendAt) return;
    this.#extendAt = now + HORIZON_MS / 2;
    for (const key of this.#held) {
      const entry = this.#entries.get(key);
      if (entry !== undefined) this.#entries.set(key, { ...entry, until: now + HORIZON_MS });
    }
    this.#writeSoon();
  }

  /** Resolves when nothing is left to be written. Never rejects. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  #load(): readonly RecordedLease[] {
    let text: string;
    try {
      text = readFileSync(this.#file, 'utf8');
    } catch (error) {
      if (!isMissing(error)) this.#warn(error);
      return [];
    }
    try {
      return parse(text);
    } catch (error) {
      this.#setAside(error);
      return [];
    }
  }

  #setAside(error: unknown): void {
    const { log } = this.#options;
    const aside = `${this.#file}.corrupt`;
    try {
      renameSync(this.#file, aside);
      log('warn', `${this.#file} cannot be used and was moved to ${aside}: ${reasonOf(error)}`);
    } catch {
      log('warn', `${this.#file} cannot be used: ${reasonOf(error)}`);
    }
  }

  #prune(): void {
    const { epoch, bootTimeMs } = this.#options;
    const now = bootTimeMs();
    for (const [key, { bootId, namespace, until }] of this.#entries)
      if (bootId !== epoch.bootId || namespace !== epoch.namespace || until <= now) this.#entries.delete(key);
  }

  #content(): string {
    this.#prune();
    return format([...this.#entries.values()]);
  }

  #writeNow(): void {
    this.#generation += 1;
    const temporary = `${this.#file}.${process.pid}.new`;
    try {
      mkdirSync(this.#options.folder, { recursive: true, mode: 0o700 });
      rmSync(temporary, { force: true });
      writeFileSync(temporary, this.#content(), { mode: 0o600, flag: 'wx' });
      renameSync(temporary, this.#file);
      this.#warned = false;
    } catch (error) {
      this.#warn(error);
    }
  }

  #writeSoon(): void {
    this.#generation += 1;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Writes until nothing has changed in the meantime, so that an older content never has the last word. */
  async #write(): Promise<void> {
    const temporary = `${this.#file}.${process.pid}.tmp`;
    for (let written = -1; written !== this.#generation; ) {
      // Many leases may end in one go: they are written together.
      await Promise.resolve();
      written = this.#generation;
      try {
        await rm(temporary, { force: true });
        await writeFile(temporary, this.#content(), { mode: 0o600, flag: 'wx' });
        await rename(temporary, this.#file);
      } catch (error) {
        this.#warn(error);
      }
    }
  }

  #warn(error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    const { folder, log } = this.#options;
    log(
      'warn',
      `leases cannot be recorded in ${folder} (${reasonOf(error)}); an agent that is restarted must wait until its old ` +
        `addresses have expired. Make it writable for this user: install -d -m 0700 -o ${process.getuid?.() ?? 0} ${folder}`,
    );
  }
}
