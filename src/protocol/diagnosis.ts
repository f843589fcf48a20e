/**
 * The digest doctor (DESIGN D11): an advert whose digest is wrong by our password and addresses is right by some others.
 * The plausible ones are tried, likely ones first, until one fits. Nothing of that costs more than `HMACS_MAX` digests,
 * and a diagnosis can be worked out in slices, so that it never makes an advert late.
 */

import type { IpAddress } from './address.ts';
import type { Advert } from './advert.ts';
import { type Sign, signedMessage } from './authentication.ts';
import {
  disorderedLists,
  formsOf,
  type ListMistake,
  likelyLists,
  listsWithoutTwo,
  neighbouringLists,
  type OwnList,
  type WrongList,
} from './diagnosis-lists.ts';
import { longerKeys, type PasswordMistake, wrongKeys } from './diagnosis-passwords.ts';
import { formatMac, sameMac } from './mac.ts';
import type { Vhid } from './units.ts';

/** How the peer signs, measured by how we do. Holds no secret and no part of one. */
export type Mistake =
  | ListMistake
  | PasswordMistake
  /** Addresses and password are those of another group of this host. */
  | { readonly type: 'swapped-groups'; readonly group: string }
  | { readonly type: 'other-vhid'; readonly vhid: number }
  /** OpenBSD's link-level address is signed here and not there, or the other way round. */
  | { readonly type: 'lladdr-missing'; readonly mac: string }
  | { readonly type: 'lladdr-extra'; readonly mac: string };

/** Another group of this host. */
export interface OtherGroup {
  readonly group: string;
  readonly addresses: readonly IpAddress[];
  /** 20 bytes. */
  readonly key: Uint8Array;
}

/** What this host knows of the group, and of what a peer may have taken for it. */
export interface Known extends OwnList {
  /** 20 bytes. */
  readonly key: Uint8Array;
  readonly others: readonly OtherGroup[];
  /** Addresses that the peer may have in its list by mistake: its own, those of interfaces, of other groups. */
  readonly guesses: readonly IpAddress[];
  /** MAC addresses that the peer may sign as its link-level address. */
  readonly macs: readonly Uint8Array[];
}

/** The explanation that fits. */
export interface Match {
  /** One, or one of the list and one of the password. */
  readonly mistakes: readonly Mistake[];
  /** Whether another advert is signed by the same mistake; costs one HMAC. */
  readonly fits: (advert: Pick<Advert, 'counter' | 'digest'>) => boolean;
}

/** How many digests a diagnosis computes at most: about 20 µs each for a group of few addresses, 0.3 ms for one of 200. */
export const HMACS_MAX = 3000;
/** Combinations are tried of the likeliest lists only. */
const COMBINED_LISTS_MAX = 40;

interface Candidate {
  readonly key: Uint8Array;
  readonly message: Uint8Array;
  readonly mistakes: readonly Mistake[];
}

/**
 * Looks for the mistake by which this advert is signed. Yields after each digest, so that whoever runs it can pause;
 * returns `undefined` if none fits.
 *
 * @param signer - HMAC-SHA1 with a key
 */
export const diagnosing = function* (
  advert: Pick<Advert, 'counter' | 'digest'>,
  known: Known,
  signer: (key: Uint8Array) => Sign,
): Generator<void, Match | undefined> {
  const signers = new Map<string, Sign>();
  const signWith = (key: Uint8Array): Sign => {
    const name = key.join();
    const sign = signers.get(name) ?? signer(key);
    signers.set(name, sign);
    return sign;
  };
  let hmacs = 0;
  for (const { key, message, mistakes } of candidates(known)) {
    if (hmacs === HMACS_MAX) return undefined;
    hmacs += 1;
    const sign = signWith(key);
    if (isSignedBy(advert, message, sign)) return { mistakes, fits: (other) => isSignedBy(other, message, sign) };
    yield;
  }
  return undefined;
};

/** The same at once, for those who have no deadlines. */
export const diagnose = (...question: Parameters<typeof diagnosing>): Match | undefined => {
  const work = diagnosing(...question);
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
};

const isSignedBy = (
  { counter, digest }: Pick<Advert, 'counter' | 'digest'>,
  message: Uint8Array,
  sign: Sign,
): boolean => {
  const signed = Uint8Array.from(message);
  new DataView(signed.buffer).setBigUint64(signed.length - 8, counter);
  const expected = sign(signed);
  return digest.length === expected.length && digest.every((octet, i) => octet === expected[i]);
};

/** In the order of likelihood, and of what they cost. */
const candidates = function* (known: Known): Generator<Candidate> {
  const { key, others } = known;
  const keys = wrongKeys(key, others);
  const own = formsOf(known);
  const byList = ({ message, mistake }: WrongList): Candidate => ({ key, message, mistakes: [mistake] });

  const likely: WrongList[] = [];
  for (const list of likelyLists(known, known.guesses, others)) {
    if (likely.length < COMBINED_LISTS_MAX) likely.push(list);
    yield byList(list);
  }
  for (const wrong of keys) yield* own.map((message) => ({ key: wrong.key, message, mistakes: [wrong.mistake] }));
  for (const { group, addresses, key: theirs } of others)
    for (const message of formsOf({ ...known, addresses }))
      yield { key: theirs, message, mistakes: [{ type: 'swapped-groups', group }] };
  yield* otherMacs(known);
  for (const list of disorderedLists(known)) yield byList(list);
  for (const list of neighbouringLists(known, known.guesses)) yield byList(list);
  for (const list of listsWithoutTwo(known)) yield byList(list);
  for (const wrong of longerKeys(key))
    yield* own.map((message) => ({ key: wrong.key, message, mistakes: [wrong.mistake] }));
  yield* otherVhids(known);
  for (const { message, mistake } of likely)
    for (const wrong of keys) yield { key: wrong.key, message, mistakes: [mistake, wrong.mistake] };
};

const otherMacs = function* (known: Known): Generator<Candidate> {
  const { key, vhid, addresses, mac: own, macs } = known;
  if (own !== undefined)
    for (const message of formsOf({ vhid, addresses }))
      yield { key, message, mistakes: [{ type: 'lladdr-missing', mac: formatMac(own) }] };
  for (const mac of macs) {
    if (own !== undefined && sameMac(own, mac)) continue;
    for (const message of formsOf({ vhid, addresses, mac }))
      yield { key, message, mistakes: [{ type: 'lladdr-extra', mac: formatMac(mac) }] };
  }
};

const otherVhids = function* ({ key, vhid, addresses, mac }: Known): Generator<Candidate> {
  for (let other = 1; other <= 255; other += 1) {
    if (other === vhid) continue;
    const list = { vhid: other as Vhid, addresses, form: 'with-link-local' as const };
    const message = signedMessage(mac === undefined ? list : { ...list, mac });
    yield { key, message, mistakes: [{ type: 'other-vhid', vhid: other }] };
  }
};
