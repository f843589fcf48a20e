/** Who plays: hosts of every system, ours in each profile, that can crash and boot again. */
import { ReplayGuard } from '../../src/engine/replay-guard.ts';
import { ReplayMemory } from '../../src/engine/replay-memory.ts';
import type { Family, IpAddress } from '../../src/protocol/address.ts';
import { DIALECTS } from '../../src/protocol/dialect.ts';
import { type Millis, millis, toMillis } from '../../src/protocol/units.ts';
import { MachineHost } from './machine-host.ts';
import type { Lan, LanAdvert } from './machine-lan.ts';
import { ip, settingsOf } from './machine-words.ts';
import { FREEBSD, NETBSD, OPENBSD } from './model-kernels.ts';
import { type Peer, type PeerOptions, span, ticks } from './model-peer.ts';
import { modelOf, type System } from './model-peers.ts';

/** `ours` speaks as the profile `auto` does. */
export type Role = 'ours' | `ours as ${System}` | System;

export interface Part extends Required<PeerOptions> {
  readonly role: Role;
  /** Last part of its addresses. */
  readonly last: number;
  readonly families: readonly [Family, ...Family[]];
  /** Ours with its replay guard, as it is shipped. */
  readonly guarded?: boolean;
}

const isSystem = (role: Role): role is System => !role.startsWith('ours');

export const isOurs = (role: Role): boolean => !isSystem(role);

export const profileOf = (role: Role): keyof typeof DIALECTS =>
  role.startsWith('ours as ') ? (role.slice('ours as '.length) as System) : 'auto';

const addressOf = (family: Family, last: number): IpAddress =>
  ip(family === 4 ? `192.0.2.${last}` : `2001:db8::${last.toString(16)}`);

const sourcesOf = ({ families, last }: Part): readonly [IpAddress, ...IpAddress[]] => {
  const [first, ...more] = families;
  return [addressOf(first, last), ...more.map((family) => addressOf(family, last))];
};

/** Whatever it refuses in a story is genuine, as nobody replays anything. What it remembers outlives a crash. */
class Guard {
  refused = 0;
  readonly #guard = new ReplayGuard(new ReplayMemory());
  readonly #silence: Millis;

  constructor({ base, skew }: Part) {
    this.#silence = millis(span({ base: 3 * base, skew }));
  }

  readonly admits = ({ counter, source, interval }: LanAdvert, at: Millis): boolean => {
    const heard = { counter, source: source.text, at, interval: toMillis(interval) };
    const isFresh = this.#guard.isFresh(heard, 'auto', this.#silence);
    if (!isFresh) this.refused++;
    return isFresh;
  };
}

const hostOf = (lan: Lan, part: Part, guard: Guard | undefined): Peer => {
  const { role, base, skew, preempt, families } = part;
  if (isSystem(role)) return modelOf(role, lan, sourcesOf(part), part);
  const { tieBreak, demotes, clampsSkew, pseudoHeader } = DIALECTS[profileOf(role)];
  const settings = settingsOf(`${base}/${skew}`, { preempt, families, tieBreak, demotes, clampsSkew });
  return new MachineHost(
    lan,
    sourcesOf(part),
    settings,
    guard === undefined ? { pseudoHeader } : { pseudoHeader, guard: guard.admits },
  );
};

/** ucarp looks at its link every 10 s while it has none, and sees nothing for 3 s after SIGUSR2 (ucarp.md 2 and 9). */
const UCARP_SLEEP_MS = { unplug: 10_000, stepDown: 3000 } as const;

/** No kernel boots in less. Only OpenBSD's is gone with its cookie then: whoever hears two of them in no time is misled. */
const BOOT_MS = 10_000;

/** One seat of a story: a host, what is wrong with it, and the one that boots in its place when it is gone. */
export class Actor {
  readonly part: Part;
  readonly #guard: Guard | undefined;
  readonly #lan: Lan;
  #host: Peer;
  #gone = false;
  #demoted = false;
  #leaseEnd = 0;
  /** When a host that lost its power has booted. */
  #bootedAt = 0;
  #oversleeps = 0;

  constructor(lan: Lan, part: Part) {
    this.#lan = lan;
    this.part = part;
    this.#guard = part.guarded === true && isOurs(part.role) ? new Guard(part) : undefined;
    this.#host = hostOf(lan, part, this.#guard);
  }

  get host(): Peer {
    return this.#host;
  }

  /** How many genuine adverts its replay guard has refused. */
  get refused(): number {
    return this.#guard?.refused ?? 0;
  }

  /** For how long it may notice nothing after all is healed, because it sleeps or boots. In ms. */
  get oversleeps(): number {
    return this.#oversleeps;
  }

  /** Power cut. */
  crash(): void {
    if (!this.#gone && this.part.role === 'openbsd') this.#bootedAt = this.#lan.now + BOOT_MS;
    this.#gone = true;
    this.#lan.crash(this.#host);
  }

  /** Only the process dies: what the kernel got from our agent stays there until its lease ends. */
  kill(): void {
    const held = isOurs(this.part.role) && this.#host.holds();
    if (held && !this.#gone) this.#leaseEnd = this.#lan.now + this.#lan.random.between(1500, 2000);
    this.crash();
  }

  leave(): void {
    if (!this.#gone) this.#host.stop();
    this.#gone = true;
  }

  stepDown(): void {
    this.#sleepsFor(UCARP_SLEEP_MS.stepDown);
    if (!this.#gone) this.#host.stepDown();
  }

  demote(): void {
    if (!this.#demoted && !this.#gone) this.#host.demote();
    this.#demoted = true;
  }

  unplug(): void {
    this.#sleepsFor(UCARP_SLEEP_MS.unplug);
    this.#lan.plug(this.#host, false);
  }

  /** Whatever was wrong with it, it is up again; after a crash or a stop as a host that has just booted. */
  heal(): void {
    this.#lan.plug(this.#host, true);
    if (this.#gone) {
      this.#lan.crash(this.#host);
      this.#host = hostOf(this.#lan, this.part, this.#guard);
      if (this.#host instanceof MachineHost) this.#host.comeAfter(this.#leaseEnd);
      const booting = this.#bootedAt - this.#lan.now;
      this.#oversleeps = Math.max(this.#oversleeps, booting);
      if (booting > 0) this.#lan.schedule(this.#host, this.#bootedAt, () => this.#host.start());
      else this.#host.start();
    } else if (this.#demoted) this.#host.restore();
    this.#gone = false;
    this.#demoted = false;
  }

  #sleepsFor(ms: number): void {
    if (this.part.role === 'ucarp') this.#oversleeps = Math.max(this.#oversleeps, ms);
  }
}

/** How long a host needs at most, in ms. */
export interface Pace {
  /** Between two of its adverts. One that was armed before a demotion ended may still be as long as the demoted one. */
  readonly interval: number;
  /** From the last advert that it took notice of to its own first one. */
  readonly masterDown: number;
  /** From the arrival of an advert until it is noticed. */
  readonly reading: number;
}

const KERNELS = { freebsd: FREEBSD, openbsd: OPENBSD, netbsd: NETBSD } as const;
const TICKS_ADDED = 2;
const DEMOTED = 240;
const CLAIM_AND_TAKE_MS = 3 + 0.4;

/** What it advertises, in 1/256 s, while nothing demotes it. FreeBSD clamps the skew. */
export const rankOf = ({ role, base, skew }: Part): number =>
  ticks({ base, skew: role.endsWith('freebsd') ? Math.min(skew, DEMOTED) : skew });

/** Bounds after protocol.md 4.1 and ucarp.md 5. */
export const paceOf = ({ role, base, skew }: Part): Pace => {
  const interval = span({ base, skew: Math.max(skew, DEMOTED) });
  if (!isSystem(role)) {
    const masterDown = span({ base: 3 * base, skew: Math.max(skew, DEMOTED) });
    return { interval: interval + 1, masterDown: masterDown + 1 + CLAIM_AND_TAKE_MS, reading: 0 };
  }
  if (role === 'ucarp') {
    const poll = span({ base, skew }) + 1;
    // Looked at once per turn of the loop, so up to one turn too late.
    return { interval: poll, masterDown: Math.ceil(span({ base: 3 * base, skew }) / poll) * poll, reading: 1000 };
  }
  const { masterDown, tickMs } = KERNELS[role];
  const rounding = TICKS_ADDED * tickMs;
  return { interval: interval + rounding, masterDown: masterDown({ base, skew }) + rounding, reading: 0 };
};
