import type { Effect } from '../machine/effects.ts';
import type { Sources } from '../machine/events.ts';
import { problemOf } from '../ports/error.ts';
import { addressOf, type Family } from '../protocol/address.ts';
import { type Advert, encodeAdvert } from '../protocol/advert.ts';
import type { Authenticator } from '../protocol/authentication.ts';
import { type CounterSeries, counterSeries, isFromSeries, nextCounter } from '../protocol/counter.ts';
import type { Dialect } from '../protocol/dialect.ts';
import type { Vhid } from '../protocol/units.ts';
import type { Wire } from './wire.ts';

export type SendAdvert = Extract<Effect, { readonly type: 'sendAdvert' }>;

/** How many former reigns an advert of our own is still recognised from, should a loop in the network bring it back. */
const SERIES_REMEMBERED = 16;

/** ff02::12. NetBSD, which alone counts the destination in, has no unicast for IPv6. */
const GROUP_IPV6 = addressOf(Uint8Array.of(0xff, 0x02, ...Array<number>(13).fill(0), 0x12));

export interface SpeakerOptions {
  readonly vhid: Vhid;
  readonly authenticator: Authenticator;
  /** Which form of digest and checksum is sent (DESIGN D9). */
  readonly dialect: Pick<Dialect, 'form' | 'pseudoHeader'>;
  readonly random64: () => bigint;
}

export interface Spoken {
  readonly sent: number;
  readonly failures: readonly { readonly family: Family; readonly message: string }[];
}

/** Writes, signs and sends adverts, and knows them again. */
export class Speaker {
  readonly #options: SpeakerOptions;
  #series: CounterSeries;
  #former: readonly CounterSeries[] = [];

  constructor(options: SpeakerOptions) {
    this.#options = options;
    this.#series = this.#newSeries();
  }

  #newSeries(): CounterSeries {
    return counterSeries([this.#options.random64(), this.#options.random64()]);
  }

  /** One advert in each family that has a source, IPv4 first, with a counter of its own. Never throws. */
  speak({ kind, advbase, advskew, demotion }: SendAdvert, wire: Wire, sources: Sources): Spoken {
    if (kind === 'claim') {
      this.#former = [this.#series, ...this.#former].slice(0, SERIES_REMEMBERED);
      this.#series = this.#newSeries();
    }
    const { vhid, authenticator, dialect } = this.#options;
    const failures = wire.families.flatMap((family) => {
      const source = sources[family];
      if (source === undefined) return [];
      const [counter, series] = nextCounter(this.#series);
      this.#series = series;
      const digest = authenticator.digest(counter, dialect.form);
      const path = dialect.pseudoHeader && family === 6 ? { source, destination: GROUP_IPV6 } : undefined;
      try {
        wire.send(family, encodeAdvert({ vhid, advbase, advskew, demotion, counter, digest }, path), source);
        return [];
      } catch (error) {
        return [{ family, message: problemOf(error).message }];
      }
    });
    const attempts = wire.families.filter((family) => sources[family] !== undefined).length;
    return { sent: attempts - failures.length, failures };
  }

  isOwn(advert: Pick<Advert, 'counter'>): boolean {
    return [this.#series, ...this.#former].some((series) => isFromSeries(series, advert.counter));
  }
}
