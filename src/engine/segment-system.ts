/**
 * Which system a speaker runs, guessed from traits of its packets that no receiver looks at (protocol.md 1, 12;
 * ucarp.md 6). Each trait fits some systems; what fits them all is the guess. Somebody who wants to can look like any
 * of them, and sysctls and routers change the TOS byte: a guess is never more than that.
 */
import type { Family } from '../protocol/address.ts';

export const SYSTEMS = ['freebsd', 'openbsd', 'netbsd', 'ucarp', 'node-red-carp', 'keepalived'] as const;
export type System = (typeof SYSTEMS)[number];

export interface SystemGuess {
  /** `unknown` while several fit, or none does. */
  readonly system: System | 'unknown';
  /** All that fit, the one if there is one. */
  readonly candidates: readonly System[];
  /** The traits that led there, for people. */
  readonly reasons: readonly string[];
}

/** `carp`: 00:00:5e:00:01:VHID; `ucarp`: 00:00:5e:00:00:VHID; `group`: OpenBSD's 01:00:5e:00:01:VHID of balancing. */
export type MacKind = 'carp' | 'ucarp' | 'group' | 'vrrp-ipv6' | 'own';

/** How the counter went on from one advert to the next, and how often. */
export interface CounterSteps {
  readonly same: number;
  /** By 1 to 8: from one advert to the next, those of the other family and lost ones between them. */
  readonly next: number;
  /** By what a stride of ours can be, or some of them. */
  readonly stride: number;
  readonly jump: number;
}

/** What is remembered of a speaker's packets. */
export interface Traits {
  readonly family: Family;
  readonly tos: number;
  /** Whether an IPv4 identification other than 0 was seen; `undefined` for IPv6. */
  readonly hasId: boolean | undefined;
  readonly mac: MacKind | undefined;
  readonly counter: bigint | undefined;
  readonly steps: CounterSteps;
  /** Byte 4 was not 0 once. */
  readonly countsDemotion: boolean;
  /** An IPv6 checksum counted the pseudo-header in. */
  readonly pseudoHeader: boolean;
  readonly saidFarewell: boolean;
  readonly subSecond: boolean;
}

/** Of one packet. */
export interface Sample extends Omit<Traits, 'steps' | 'counter'> {
  readonly counter: bigint | undefined;
}

const NO_STEPS: CounterSteps = { same: 0, next: 0, stride: 0, jump: 0 };
const NEXT_MAX = 8n;
/** DESIGN D7: strides are 2^17..2^20; with two families and some adverts lost, a few of them at once. */
const STRIDE_MIN = 1n << 17n;
const STRIDES_MAX = 1n << 25n;

const stepOf = (before: bigint, after: bigint): keyof CounterSteps => {
  const distance = BigInt.asUintN(64, after - before);
  if (distance === 0n) return 'same';
  if (distance <= NEXT_MAX) return 'next';
  return distance >= STRIDE_MIN && distance <= STRIDES_MAX ? 'stride' : 'jump';
};

export const firstTraits = (sample: Sample): Traits => ({ ...sample, steps: NO_STEPS });

export const moreTraits = (before: Traits, sample: Sample): Traits => {
  const { counter } = sample;
  const step = before.counter === undefined || counter === undefined ? undefined : stepOf(before.counter, counter);
  return {
    ...sample,
    hasId: sample.hasId === undefined ? undefined : sample.hasId || before.hasId === true,
    steps: step === undefined ? before.steps : { ...before.steps, [step]: before.steps[step] + 1 },
    countsDemotion: before.countsDemotion || sample.countsDemotion,
    pseudoHeader: before.pseudoHeader || sample.pseudoHeader,
    saidFarewell: before.saidFarewell || sample.saidFarewell,
    subSecond: before.subSecond || sample.subSecond,
  };
};

interface Evidence {
  readonly reason: string;
  readonly fits: readonly System[];
}

const OURS = 'node-red-carp';
const CARP_SYSTEMS: readonly System[] = ['freebsd', 'openbsd', 'netbsd', 'ucarp', OURS];

const counterEvidence = ({ same, next, stride, jump }: CounterSteps): Evidence | undefined => {
  // A promotion of ours, or a restart of OpenBSD, is a jump.
  if (stride > 0 && stride >= jump) return { reason: 'the counter advances by a stride', fits: [OURS] };
  if (same > jump && next === 0) return { reason: 'the counter is constant', fits: ['openbsd'] };
  if (next > 0) return { reason: 'the counter goes on by one', fits: ['freebsd', 'netbsd', 'ucarp'] };
  return jump > same
    ? { reason: 'the counter is random in each advert', fits: ['freebsd', 'netbsd', 'ucarp'] }
    : undefined;
};

const MAC_EVIDENCE: Readonly<Record<MacKind, Evidence>> = {
  carp: { reason: 'Ethernet source 00:00:5e:00:01:VHID', fits: ['freebsd', 'openbsd', 'netbsd', OURS] },
  ucarp: { reason: 'Ethernet source 00:00:5e:00:00:VHID', fits: ['ucarp', OURS] },
  group: { reason: 'Ethernet source 01:00:5e:00:01:VHID', fits: ['openbsd'] },
  'vrrp-ipv6': { reason: 'Ethernet source 00:00:5e:00:02:VHID', fits: [] },
  // FreeBSD to unicast peers, OpenBSD and NetBSD with an lladdr of their own.
  own: { reason: 'Ethernet source of its own', fits: [OURS, 'freebsd', 'openbsd', 'netbsd'] },
};

const FREEBSD_TOS = 0xe0;
const LOW_DELAY = 0x10;

const tosEvidence = ({ family, tos }: Traits): Evidence => {
  const reason = `${family === 4 ? 'TOS' : 'traffic class'} 0x${tos.toString(16).padStart(2, '0')}`;
  if (family === 4 && tos === LOW_DELAY) return { reason, fits: ['openbsd', 'netbsd', 'ucarp', OURS] };
  if (family === 6 && tos === LOW_DELAY) return { reason, fits: [OURS] };
  if (family === 6 && tos === 0) return { reason, fits: ['openbsd', 'netbsd', OURS] };
  // net.inet.carp.dscp is 56 by default; another value is a setting of FreeBSD's or ours.
  return { reason, fits: ['freebsd', OURS] };
};

const present = (found: readonly (Evidence | undefined | false)[]): readonly Evidence[] =>
  found.filter((each) => each !== undefined && each !== false);

/** What settings and the network do not change. Our own profiles imitate all but the counter. */
const sureEvidence = (traits: Traits): readonly Evidence[] =>
  present([
    traits.family === 6 && { reason: 'IPv6', fits: ['freebsd', 'openbsd', 'netbsd', OURS] },
    counterEvidence(traits.steps),
    traits.countsDemotion && { reason: 'a demotion count in byte 4', fits: ['openbsd', OURS] },
    traits.pseudoHeader && { reason: 'a checksum with pseudo-header', fits: ['netbsd', OURS] },
    traits.subSecond && { reason: 'advbase 0', fits: ['openbsd', 'netbsd', 'ucarp', OURS] },
    traits.mac !== undefined && MAC_EVIDENCE[traits.mac],
  ]);

/** The surest first. */
const doubtfulEvidence = (traits: Traits): readonly Evidence[] =>
  present([
    traits.saidFarewell && { reason: 'it said farewell', fits: ['openbsd', 'netbsd', OURS] },
    traits.hasId === true && { reason: 'an IP id', fits: ['openbsd', 'ucarp'] },
    traits.hasId === false && { reason: 'IP id 0', fits: ['freebsd', 'netbsd', OURS] },
    tosEvidence(traits),
  ]);

const fitting = (evidence: readonly Evidence[]): readonly System[] =>
  CARP_SYSTEMS.filter((system) => evidence.every(({ fits }) => fits.includes(system)));

export const UNKNOWN: SystemGuess = { system: 'unknown', candidates: [], reasons: [] };

const guessOf = (candidates: readonly System[], reasons: readonly string[]): SystemGuess => {
  const [only, ...others] = candidates;
  return { system: only !== undefined && others.length === 0 ? only : 'unknown', candidates, reasons };
};

/** Whom a CARP speaker's traits fit. If nobody's fit all, the doubtful ones are left out, one by one from the last. */
export const guessSystem = (traits: Traits): SystemGuess => {
  const sure = sureEvidence(traits);
  const doubtful = doubtfulEvidence(traits);
  for (let count = doubtful.length; count >= 0; count--) {
    const used = [...sure, ...doubtful.slice(0, count)];
    const candidates = fitting(used);
    if (candidates.length > 0) return guessOf(candidates, reasonsOf(used));
  }
  return { ...UNKNOWN, reasons: reasonsOf([...sure, ...doubtful]) };
};

/** Only what rules somebody out is a reason. */
const reasonsOf = (evidence: readonly Evidence[]): readonly string[] =>
  evidence.filter(({ fits }) => fits.length < CARP_SYSTEMS.length).map(({ reason }) => reason);

const KEEPALIVED_TOS = 0xc0;

/** Whom a VRRP speaker's traits fit: many routers speak it, so only two are told apart. */
export const guessVrrpSystem = (traits: Traits, version: 2 | 3): SystemGuess => {
  const reasons = [`VRRP version ${version}`, tosEvidence(traits).reason];
  if (traits.tos === FREEBSD_TOS && version === 3 && traits.mac === 'carp')
    return guessOf(['freebsd'], [...reasons, MAC_EVIDENCE.carp.reason]);
  if (traits.tos === KEEPALIVED_TOS && traits.mac === 'own')
    return guessOf(['keepalived'], [...reasons, MAC_EVIDENCE.own.reason]);
  return { ...UNKNOWN, reasons };
};
