import type { Advert } from '../protocol/advert.ts';
import type { AddressForm } from '../protocol/authentication.ts';
import type { Diagnosis } from '../protocol/diagnosis-text.ts';
import type { Compatibility } from '../protocol/dialect.ts';

/** What every finding says: which group, about whom, and when it was found. */
interface Found {
  readonly group: string;
  readonly interface: string;
  readonly vhid: number;
  readonly node: string;
  /** Wall-clock time, ISO 8601 with milliseconds. */
  readonly at: string;
  /** Where the adverts come from, as they say: a source address is not signed. */
  readonly source: string;
}

/** Adverts for this group are not genuine, and why (DESIGN D11). */
export interface MismatchEvent extends Found, Diagnosis {
  readonly event: 'auth-mismatch';
  /** It is over: the source signs as this host does, or has fallen silent. */
  readonly cleared?: true;
}

/** A peer is understood, but it sends otherwise than this host, and may not understand what it hears (DESIGN D9). */
export interface HintEvent extends Found {
  readonly event: 'profile-hint';
  /** The setting that would fit this peer. */
  readonly compatibility: Compatibility;
  readonly detail: string;
  readonly remedy: string;
}

/** What a group found out about its peers. Apart from the transitions: nothing has changed on this host. */
export type Finding = MismatchEvent | HintEvent;

/** How many sources are remembered at the same time, of mismatches and of hints each. */
export const FINDINGS_MAX = 8;

/** How an accepted advert was made. */
export interface Traits {
  readonly advert: Advert;
  /** The form in which its digest was right. */
  readonly form: AddressForm;
}
