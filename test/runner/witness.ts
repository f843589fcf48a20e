/**
 * Notices when the machine itself stands still: real hosts in a test have real timers, and what a virtual machine loses to
 * its neighbours looks to them like a network that fell silent. A test that failed meanwhile has shown nothing.
 */
import { readFileSync } from 'node:fs';
import { monotonicMs } from '../support/wait.ts';

const TICK_MS = 20;
const STEAL_EVERY_MS = 2000;
/** The tightest limit of any test; without neighbours it is reached once in a run of all tests, or never. */
const STILL_MS = 150;
/** Of the processors' time within two seconds; without neighbours it is below 0.01. */
const STOLEN = 0.1;

export interface Disturbance {
  /** Monotonic milliseconds. */
  readonly from: number;
  readonly to: number;
  readonly what: string;
}

/** Ticks of all processors since the machine started: all, and those that the hypervisor gave to others. */
const processorTime = (): { readonly all: number; readonly stolen: number } | undefined => {
  try {
    const [first = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1);
    // user nice system idle iowait irq softirq steal; guest time is in user already.
    const ticks = first.trim().split(/\s+/).slice(1, 9).map(Number);
    return { all: ticks.reduce((sum, each) => sum + each, 0), stolen: ticks[7] ?? 0 };
  } catch {
    return undefined;
  }
};

/** How long the machine has slept since it started, in ms, but for a constant: the monotonic clock stands still meanwhile. */
const asleep = (): number => {
  try {
    return 1000 * Number.parseFloat(readFileSync('/proc/uptime', 'utf8')) - monotonicMs();
  } catch {
    return 0;
  }
};

/** How the machine disturbed between two times; a pause, or a loss of processor time. */
export class Witness {
  readonly #disturbances: Disturbance[] = [];
  readonly #timers: readonly NodeJS.Timeout[];
  #worst = 0;
  #ticked = monotonicMs();
  #looked = monotonicMs();
  #time = processorTime();
  readonly #start = this.#time;
  readonly #asleep: () => number;
  #slept: number;

  /** @param asleepMs - how long the machine has slept */
  constructor(asleepMs = asleep) {
    this.#asleep = asleepMs;
    this.#slept = asleepMs();
    this.#timers = [setInterval(() => this.#tick(), TICK_MS), setInterval(() => this.#look(), STEAL_EVERY_MS)];
    for (const timer of this.#timers) timer.unref();
  }

  #tick(): void {
    const now = monotonicMs();
    const still = now - this.#ticked - TICK_MS;
    this.#worst = Math.max(this.#worst, still);
    if (still >= STILL_MS)
      this.#disturbances.push({ from: this.#ticked, to: now, what: `stood still for ${still.toFixed(0)} ms` });
    const slept = this.#asleep() - this.#slept;
    if (slept >= STILL_MS)
      this.#disturbances.push({ from: this.#ticked, to: now, what: `slept for ${(slept / 1000).toFixed(1)} s` });
    this.#slept += slept;
    this.#ticked = now;
  }

  /** Does what may hold up this process, but not the machine: a terminal that is stopped, a pager that nobody scrolls. */
  apart(work: () => void): void {
    this.#tick();
    work();
    this.#ticked = monotonicMs();
  }

  #look(): void {
    const now = monotonicMs();
    const time = processorTime();
    if (time !== undefined && this.#time !== undefined) {
      const share = (time.stolen - this.#time.stolen) / Math.max(1, time.all - this.#time.all);
      if (share >= STOLEN)
        this.#disturbances.push({
          from: this.#looked,
          to: now,
          what: `lost ${(100 * share).toFixed(0)} % of its time`,
        });
    }
    [this.#time, this.#looked] = [time, now];
  }

  /** What happened to the machine between these times. */
  between(from: number, to: number): readonly Disturbance[] {
    this.#tick();
    return this.#disturbances.filter((each) => each.to >= from && each.from <= to);
  }

  /** Waits until nothing has happened for a while, but not for ever. */
  async untilQuiet(quietMs: number, withinMs: number, stopped: AbortSignal): Promise<void> {
    const end = monotonicMs() + withinMs;
    const isQuiet = (now: number): boolean => this.between(now - quietMs, now).length === 0;
    while (!isQuiet(monotonicMs()) && monotonicMs() < end && !stopped.aborted)
      await new Promise((resolve) => setTimeout(resolve, STEAL_EVERY_MS));
  }

  /** One line about all of the time. */
  summary(): string {
    const [start, now] = [this.#start, processorTime()];
    const stolen =
      start === undefined || now === undefined
        ? ''
        : `, and lost ${((100 * (now.stolen - start.stolen)) / Math.max(1, now.all - start.all)).toFixed(1)} % of its time to others`;
    return `the machine stood still for ${this.#worst.toFixed(0)} ms at most, ${this.#disturbances.length} times long enough to count${stolen}`;
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }
}
