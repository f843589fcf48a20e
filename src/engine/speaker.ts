import type { Effect } from '../machine/effects.ts';
import type { Sources } from '../machine/events.ts';
import { problemOf } from '../ports/error.ts';
import { addressOf, type Family } from '../protocol/address.ts';
import { encodeAdvert } from '../protocol/advert.ts';
import type { Authenticator } from '../protocol/authentication.ts';
import type { Dialect } from '../protocol/dialect.ts';
import type { Vhid } from '../protocol/units.ts';
import type { KnownAdverts } from './replay-adverts.ts';
import type { Wire } from './wire.ts';

export type SendAdvert = Extract<Effect, { readonly type: 'sendAdvert' }>;

/**
 * A MASTER that answers a rival begins a new series of counters: one that was set back to an earlier state (a virtual
 * machine's snapshot) repeats its counters, others refuse them, and what they ask for is a fresh one. The first answer of
 * a reign does so, and each that comes so many adverts after the last new series, so that a rival that does not yield
 * costs few of them.
 */
const ANSWERS_ANEW_AFTER = 16;

/**
 * A claim is sent twice, so that every host hears two counters of this one from the start. Whoever sent one advert alone
 * could be an OpenBSD host, whose counter never changes: a guard would accept repetitions of it (`ReplayGuard`), and the
 * claims of hosts that lose against another are such adverts.
 */
const CLAIM_COPIES = 2;

/** ff02::12. NetBSD, which alone counts the destination in, has no unicast for IPv6. */
const GROUP_IPV6 = addressOf(Uint8Array.of(0xff, 0x02, ...Array<number>(13).fill(0), 0x12));

export interface SpeakerOptions {
  readonly vhid: Vhid;
  readonly authenticator: Authenticator;
  /** Which form of digest and checksum is sent (DESIGN D9). */
  readonly dialect: Pick<Dialect, 'form' | 'pseudoHeader'>;
  readonly known: Pick<KnownAdverts, 'beginReign' | 'sent' | 'nextCounter'>;
}

export interface Spoken {
  readonly sent: number;
  readonly failures: readonly { readonly family: Family; readonly message: string }[];
}

/** Writes, signs and sends adverts. */
export class Speaker {
  readonly #options: SpeakerOptions;
  #hasAnswered = false;

  constructor(options: SpeakerOptions) {
    this.#options = options;
  }

  /** One advert in each family that has a source, or two, IPv4 first, each with a counter of its own. Never throws. */
  speak({ kind, advbase, advskew, demotion }: SendAdvert, wire: Wire, sources: Sources): Spoken {
    const { vhid, authenticator, dialect, known } = this.#options;
    const answersAnew = kind === 'answer' && (!this.#hasAnswered || known.sent > ANSWERS_ANEW_AFTER);
    if (kind === 'claim' || answersAnew) known.beginReign();
    if (kind === 'claim' || kind === 'answer') this.#hasAnswered = kind === 'answer';
    const families = wire.families.filter((family) => sources[family] !== undefined);
    const attempts = Array.from({ length: kind === 'claim' ? CLAIM_COPIES : 1 }, () => families).flat();
    const failures = attempts.flatMap((family) => {
      const source = sources[family];
      if (source === undefined) return [];
      const counter = known.nextCounter();
      const digest = authenticator.digest(counter, dialect.form);
      const path = dialect.pseudoHeader && family === 6 ? { source, destination: GROUP_IPV6 } : undefined;
      try {
        wire.send(family, encodeAdvert({ vhid, advbase, advskew, demotion, counter, digest }, path), source);
        return [];
      } catch (error) {
        return [{ family, message: problemOf(error).message }];
      }
    });
    return { sent: attempts.length - failures.length, failures };
  }
}
