import type { HeardAdvert } from '../machine/events.ts';
import type { Packet } from '../ports/transport.ts';
import type { IpAddress } from '../protocol/address.ts';
import { type Advert, decodeAdvert } from '../protocol/advert.ts';
import type { AddressForm, Authenticator } from '../protocol/authentication.ts';
import { CARP_TTL } from '../protocol/constants.ts';
import { advertInterval } from '../protocol/timing.ts';
import type { Vhid } from '../protocol/units.ts';
import type { TtlCheck } from './settings.ts';
import { checksTtl } from './wire.ts';

/**
 * Why a packet is not heard. Names of `netstat -s -p carp`, `reflected` for an advert of our own, and `replayed` for one
 * that was heard before.
 */
export type Refusal = 'badttl' | 'badlen' | 'badsum' | 'badver' | 'badvhid' | 'badauth' | 'reflected' | 'replayed';

export type Inbound =
  | {
      readonly type: 'heard';
      readonly advert: HeardAdvert;
      /** How it was made. */
      readonly traits: { readonly advert: Advert; readonly form: AddressForm };
    }
  | { readonly type: 'refused'; readonly why: Refusal; readonly source: IpAddress };

export interface InboundRules {
  readonly vhid: Vhid;
  readonly checkTtl: TtlCheck;
  readonly authenticator: Authenticator;
  /** Whether an authentic advert is one that this host sent itself. */
  readonly isOwn: (advert: Advert) => boolean;
  /** Whether an authentic advert of another host is a new one. It counts as heard from then on. */
  readonly isFresh: (advert: Advert, source: IpAddress) => boolean;
}

/**
 * Decides about one packet, in the fixed order of DESIGN D10: what costs little comes first, the HMAC last. The source
 * address is never trusted: it is not signed.
 */
export const inspect = (packet: Packet, rules: InboundRules): Inbound => {
  const { vhid, checkTtl, authenticator, isOwn, isFresh } = rules;
  const { source, destination, family } = packet;
  const refuse = (why: Refusal): Inbound => ({ type: 'refused', why, source });
  const isFar = packet.ttl !== undefined && packet.ttl !== CARP_TTL;
  if (isFar && checksTtl(checkTtl, family)) return refuse('badttl');
  const decoded = decodeAdvert(packet.payload, { source, destination });
  if (!decoded.ok) return refuse(decoded.fault);
  const { advert } = decoded;
  if (advert.vhid !== vhid) return refuse('badvhid');
  const form = authenticator.verify(advert);
  if (form === undefined) return refuse('badauth');
  if (isOwn(advert)) return refuse('reflected');
  if (!isFresh(advert, source)) return refuse('replayed');
  const { advbase, advskew, demotion } = advert;
  const interval = advertInterval(advbase, advskew);
  const traits = { advert, form };
  return { type: 'heard', advert: { family, source, advbase, advskew, interval, demotion }, traits };
};
