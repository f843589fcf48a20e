/** What the models of other systems have in common: what can be done to them, their adverts and their counters. */
import type { IpAddress } from '../../src/protocol/address.ts';
import { advertInterval } from '../../src/protocol/timing.ts';
import { advBase, advSkew } from '../../src/protocol/units.ts';
import type { Lan, LanAdvert, LanHost } from './machine-lan.ts';

/** A host of any system, and what an administrator, a cable or a power cut can do to it. */
export interface Peer extends LanHost {
  start(): void;
  /** An orderly stop: with a farewell, if the system says one. */
  stop(): void;
  /** What each system offers to make a MASTER step down once: a hand-over, `ifconfig … state backup`, SIGUSR2. */
  stepDown(): void;
  /** Demotes it as far as a pulled cable of another group would; what the system does not know, does nothing. */
  demote(): void;
  restore(): void;
  carrier(up: boolean): void;
}

export interface Rank {
  readonly base: number;
  readonly skew: number;
}

export interface PeerOptions extends Rank {
  readonly preempt?: boolean;
}

export const ticks = ({ base, skew }: Rank): number => base * 256 + skew;

/** As the kernels count: whole microseconds (protocol.md 4.1). Returns ms. */
export const span = ({ base, skew }: Rank): number => base * 1000 + Math.floor((skew * 1_000_000) / 256) / 1000;

export const FAREWELL: Rank = { base: 255, skew: 255 };

export const advertOf = (
  source: IpAddress,
  { base, skew }: Rank,
  rest: Pick<LanAdvert, 'counter' | 'demotion' | 'pseudoHeader'>,
): LanAdvert => {
  const [advbase, advskew] = [advBase(base), advSkew(skew)];
  return { family: source.family, source, advbase, advskew, interval: advertInterval(advbase, advskew), ...rest };
};

/** Where a system takes the counters of its adverts from. */
export interface Counters {
  readonly next: () => bigint;
  /** A valid advert was heard. */
  readonly heard: (counter: bigint) => void;
}

/** FreeBSD, NetBSD, ucarp: random while alone; after the first valid advert one more than the last heard or sent. */
export const adoptingCounters = (lan: Lan): Counters => {
  let last: bigint | undefined;
  return {
    next: () => {
      if (last === undefined) return lan.random64();
      last = BigInt.asUintN(64, last + 1n);
      return last;
    },
    heard: (counter) => {
      last = counter;
    },
  };
};

/** OpenBSD: one cookie for life, drawn when it is first needed, and never 0. Returns also whether a counter is it. */
export const cookie = (lan: Lan): Counters & { readonly isOwn: (counter: bigint) => boolean } => {
  let own = 0n;
  return {
    next: () => {
      while (own === 0n) own = lan.random64();
      return own;
    },
    heard: () => {},
    isOwn: (counter) => own !== 0n && counter === own,
  };
};
