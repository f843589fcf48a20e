/** Hosts as far as their counters go: what each system puts into its adverts, and what it does with those it hears. */

import { ReplayGuard } from '../../src/engine/replay-guard.ts';
import { ReplayMemory } from '../../src/engine/replay-memory.ts';
import { OwnCounters } from '../../src/engine/replay-own.ts';
import type { ReplayMode } from '../../src/engine/settings.ts';
import type { Millis } from '../../src/protocol/units.ts';
import { millis } from '../../src/protocol/units.ts';
import { forSeeds } from '../support/model-watch.ts';
import { type Random, randomFrom } from '../support/random.ts';

export interface Sent {
  readonly counter: bigint;
  readonly source: string;
}

export interface Sender {
  /** Adverts of one tick: one for each of its addresses. */
  readonly tick: () => readonly Sent[];
  readonly hear: (sent: Sent) => void;
}

export type System = 'freebsd' | 'openbsd' | 'ours';

export const random64 = (random: Random) => (): bigint =>
  (BigInt(random.whole(0, 0xffff_ffff)) << 32n) | BigInt(random.whole(0, 0xffff_ffff));

/** FreeBSD, NetBSD and ucarp: random until it has heard somebody, then one more than what it heard or sent last. */
const adopting = (draw: () => bigint, sources: readonly string[]): Sender => {
  let last: bigint | undefined;
  return {
    tick: () =>
      sources.map((source) => {
        if (last !== undefined) last = BigInt.asUintN(64, last + 1n);
        return { source, counter: last ?? draw() };
      }),
    hear: ({ counter }) => {
      last = counter;
    },
  };
};

const constant = (draw: () => bigint, sources: readonly string[]): Sender => {
  const cookie = draw();
  return { tick: () => sources.map((source) => ({ source, counter: cookie })), hear: () => {} };
};

/** Ours begins a new series when it becomes MASTER. */
const striding = (draw: () => bigint, sources: readonly string[]): Sender & { readonly begin: () => void } => {
  const own = new OwnCounters(draw);
  return {
    begin: () => own.begin(),
    tick: () => sources.map((source) => ({ source, counter: own.draw() })),
    hear: () => {},
  };
};

/** A host, its addresses and its present state; `reboot` makes it anew at the same addresses. */
export class Model implements Sender {
  readonly system: System;
  readonly sources: readonly string[];
  readonly #draw: () => bigint;
  #sender: Sender & { readonly begin?: () => void };

  constructor(system: System, sources: readonly string[], random: Random) {
    this.system = system;
    this.sources = sources;
    this.#draw = random64(random);
    this.#sender = this.#boot();
  }

  #boot(): Sender {
    const make = { freebsd: adopting, openbsd: constant, ours: striding }[this.system];
    return make(this.#draw, this.sources);
  }

  reboot(): void {
    this.#sender = this.#boot();
  }

  /** It becomes MASTER. */
  begin(): void {
    this.#sender.begin?.();
  }

  tick(): readonly Sent[] {
    return this.#sender.tick();
  }

  hear(sent: Sent): void {
    this.#sender.hear(sent);
  }
}

/** The master-down time of the host that listens, and the interval of all. */
export const SILENCE = millis(3000);
export const INTERVAL = 1000;

/** A BACKUP that hears them all, and counts in seconds. */
export class Listener {
  guard = new ReplayGuard(new ReplayMemory());
  readonly mode: ReplayMode;
  now = 0;

  constructor(mode: ReplayMode = 'auto') {
    this.mode = mode;
  }

  get at(): Millis {
    return millis(this.now);
  }

  hear({ counter, source }: Sent): boolean {
    return this.guard.isFresh({ counter, source, at: this.at, interval: millis(INTERVAL) }, this.mode, SILENCE);
  }
}

export const seeds = (count: number, run: (random: Random, seed: number) => void): void =>
  forSeeds(count, (seed) => run(randomFrom(seed), seed));
