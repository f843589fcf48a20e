/**
 * What groups remember of adverts, on the disk: one file for each interface and virtual host in the folder for state.
 *
 * News are added at the end every five seconds at most, and when they have become as long as what was there before, the
 * file is written anew beside the old one and put into its place. So a peer that sends a lone counter each second costs
 * 60 bytes every five seconds, and 2 MB a day. Nothing is synced to the disk, nobody waits for it, and what could not be
 * written is written as soon as it can be.
 */
import { constants, readFileSync, renameSync, statSync } from 'node:fs';
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { SchedulerLike, Subscription } from 'rxjs';
import type { Log } from '../../ports/log.ts';
import type { ReplayArchive, ReplayPlace, ReplayRecord, ReplaySource } from '../../ports/replay.ts';
import { formatFrames, frame, parseFrames } from './replay-file.ts';

export interface ReplayArchiveOptions {
  readonly folder: string;
  readonly scheduler: SchedulerLike;
  readonly log: Log;
}

/** An archive that is asked at the end whether all is written. */
export interface DiskReplayArchive extends ReplayArchive {
  /** Resolves when nothing is being written any more. Never rejects. */
  readonly settled: () => Promise<void>;
}

/** Time between two writes; urgent news wait only for a write that is under way, and a full disk is given some time. */
const WRITE_MS = { usual: 5000, urgent: 100, afterFailure: 60_000 } as const;
/** How much news there is at least before all is written anew. */
const NEWS_BYTES = 65_536;
/** Twice the largest file that there can be; what is larger is not ours. */
const FILE_BYTES_MAX = 8 * 2 ** 20;

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');

/** Between two pieces, whatever is due is done: an advert does not wait until a large file is made. */
const gathered = async (pieces: Iterable<Uint8Array>): Promise<Uint8Array> => {
  const all: Uint8Array[] = [];
  for (const piece of pieces) {
    if (all.length > 0) await setImmediate();
    all.push(piece);
  }
  return Buffer.concat(all);
};

class ReplayFile implements ReplayRecord {
  readonly found: readonly Uint8Array[];
  readonly #file: string;
  readonly #about: string;
  readonly #source: ReplaySource;
  readonly #options: ReplayArchiveOptions;
  /** Bytes of what was written as a whole, and of the news after it. */
  #wholeBytes = 0;
  #newsBytes = 0;
  /** News can be added to the file. */
  #isSound = false;
  #next: { readonly at: number; readonly timer: Subscription } | undefined;
  #writing: Promise<void> | undefined;
  #writtenAt = Number.NEGATIVE_INFINITY;
  #failed = false;
  #closed = false;

  constructor(place: ReplayPlace, source: ReplaySource, options: ReplayArchiveOptions) {
    const { interface: device, vhid } = place;
    this.#file = join(options.folder, `replay-${encodeURIComponent(device)}-${vhid}.bin`);
    this.#about = `${device} ${vhid}`;
    this.#source = source;
    this.#options = options;
    this.found = this.#load();
  }

  touch(urgent = false): void {
    if (this.#closed) return;
    const { scheduler } = this.#options;
    const gap = this.#failed ? WRITE_MS.afterFailure : urgent ? WRITE_MS.urgent : WRITE_MS.usual;
    const now = scheduler.now();
    // The first news of many wait, so that the others can join them.
    const at = Math.max(urgent && !this.#failed ? now : now + gap, this.#writtenAt + gap);
    if (this.#next !== undefined && this.#next.at <= at) return;
    this.#next?.timer.unsubscribe();
    this.#next = { at, timer: scheduler.schedule(() => this.#due(), at - now) };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#next?.timer.unsubscribe();
    this.#next = undefined;
    this.#due();
  }

  async settled(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  #due(): void {
    this.#next = undefined;
    const before = this.#writing ?? Promise.resolve();
    const writing = before
      .then(() => this.#write())
      .finally(() => {
        if (this.#writing === writing) this.#writing = undefined;
      });
    this.#writing = writing;
  }

  #load(): readonly Uint8Array[] {
    let file: Buffer;
    try {
      const stat = statSync(this.#file);
      if (!stat.isFile()) {
        // Reading a pipe would wait for its other end, and a folder can never be written.
        this.#setAside('it is no file');
        return [];
      }
      file = stat.size > FILE_BYTES_MAX ? Buffer.alloc(0) : readFileSync(this.#file);
    } catch (error) {
      if (!isMissing(error)) this.#warn('read', error);
      return [];
    }
    const parsed = parseFrames(this.#about, file);
    if (parsed.type === 'foreign') {
      this.#setAside(parsed.why);
      return [];
    }
    const { contents, isWhole } = parsed;
    this.#wholeBytes = contents[0]?.length ?? 0;
    this.#newsBytes = file.length - this.#wholeBytes;
    this.#isSound = isWhole;
    if (!isWhole)
      this.#options.log('info', `the end of ${this.#file} was not written completely; what came before it is used`);
    return contents;
  }

  #setAside(why: string): void {
    const { log } = this.#options;
    const aside = `${this.#file}.corrupt`;
    try {
      renameSync(this.#file, aside);
      log('warn', `${this.#file} cannot be used and was moved to ${aside}: ${why}; adverts are remembered anew`);
    } catch {
      log('warn', `${this.#file} cannot be used: ${why}; adverts are remembered anew`);
    }
  }

  async #write(): Promise<void> {
    try {
      if (this.#isSound && this.#newsBytes <= Math.max(NEWS_BYTES, this.#wholeBytes)) await this.#add();
      else await this.#replace();
      this.#failed = false;
    } catch (error) {
      this.#isSound = false;
      this.#warn('written', error);
      this.#failed = true;
      this.touch();
    }
    this.#writtenAt = this.#options.scheduler.now();
  }

  async #add(): Promise<void> {
    const news = await gathered(this.#source.news());
    if (news.length === 0) return;
    const bytes = frame(news);
    // Not created: a file that somebody has removed is written as a whole.
    const handle = await open(this.#file, constants.O_WRONLY | constants.O_APPEND);
    try {
      await handle.writeFile(bytes);
    } finally {
      await handle.close();
    }
    this.#newsBytes += bytes.length;
  }

  /** The old file stays until the new one is there. */
  async #replace(): Promise<void> {
    const whole = await gathered(this.#source.whole());
    const temporary = `${this.#file}.${process.pid}.new`;
    // One level. Not `recursive`: Node 20 then tries for ever where the system says ENOENT (in /proc).
    await mkdir(this.#options.folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    try {
      await rm(temporary, { force: true });
      await writeFile(temporary, formatFrames(this.#about, whole), { mode: 0o600, flag: 'wx' });
      await rename(temporary, this.#file);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
    this.#wholeBytes = whole.length;
    this.#newsBytes = 0;
    this.#isSound = true;
  }

  #warn(what: 'read' | 'written', error: unknown): void {
    if (this.#failed) return;
    const { folder, log } = this.#options;
    log(
      'warn',
      `${this.#file} cannot be ${what} (${reasonOf(error)}); after a restart, adverts of before are taken for new ones. ` +
        `Make room for it, and the folder writable for this user: install -d -m 0700 -o ${process.getuid?.() ?? 0} ${folder}`,
    );
  }
}

/** One process owns a folder. */
export const createReplayArchive = (options: ReplayArchiveOptions): DiskReplayArchive => {
  const files = new Set<ReplayFile>();
  return {
    open: (place, source) => {
      const file = new ReplayFile(place, source, options);
      files.add(file);
      return {
        found: file.found,
        touch: (urgent) => file.touch(urgent),
        close: () => {
          file.close();
          void file.settled().then(() => files.delete(file));
        },
      };
    },
    settled: async () => {
      await Promise.all([...files].map((file) => file.settled()));
    },
  };
};
