/** Looks for the mistakes behind bad digests of a capture, or of a segment (`carp decode`, `carp watch`). */
import { createSigner } from '../adapters/node/hmac.ts';
import type { IpAddress } from '../protocol/address.ts';
import type { Advert } from '../protocol/advert.ts';
import { diagnose, type Match } from '../protocol/diagnosis.ts';
import { type Diagnosis, diagnosisOf } from '../protocol/diagnosis-text.ts';
import { virtualMac } from '../protocol/mac.ts';
import type { GivenKey } from './decode-key.ts';

export interface Sender {
  readonly source: IpAddress;
  /** Ethernet source, where it is known: what OpenBSD signs if its interface has a MAC address of its own. */
  readonly mac?: Uint8Array | undefined;
}

/** What an advert with a bad digest signs instead. Takes up to some 20 ms for the first of each sender, then one HMAC. */
export type DigestDoctor = (advert: Advert, sender: Sender) => Diagnosis;

/** Senders can be forged without end. */
const SENDERS_MAX = 1000;

/** @param given - what the digests should be right by */
export const digestDoctor = ({ key, addresses }: GivenKey): DigestDoctor => {
  const known = new Map<string, { readonly match: Match | undefined; readonly diagnosis: Diagnosis }>();
  return (advert, { source, mac }) => {
    const sender = `${source.text} ${advert.vhid}`;
    const before = known.get(sender);
    // Who could not be understood once is not looked at again: it costs most, and seldom helps.
    if (before !== undefined && (before.match === undefined || before.match.fits(advert))) return before.diagnosis;
    const { vhid } = advert;
    const macs = [...(mac === undefined ? [] : [mac]), virtualMac(vhid)];
    const match = diagnose(advert, { vhid, key, addresses, others: [], guesses: [source], macs }, createSigner);
    const patient = { source: source.text, group: 'the group', vhid };
    const diagnosis = diagnosisOf(match?.mistakes ?? [], patient);
    if (known.size >= SENDERS_MAX) known.clear();
    known.set(sender, { match, diagnosis });
    return diagnosis;
  };
};
