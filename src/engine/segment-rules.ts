import type { IpAddress } from '../protocol/address.ts';
import type { Advert } from '../protocol/advert.ts';
import type { DigestVerdict } from './segment-speaker.ts';

/** The way of one advert, for those who check its digest. */
export interface AdvertPath {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly payload: Uint8Array;
  /** Ethernet source, where the link layer tells it: OpenBSD may sign it. */
  readonly mac?: Uint8Array | undefined;
}

export interface SegmentRules {
  /** The verdict on a digest; without it all are `unchecked`. */
  readonly verify?: (advert: Advert, path: AdvertPath) => DigestVerdict;
  /** What is wrong with a digest that is `bad`, in a sentence without secrets. Asked once for each speaker. */
  readonly diagnose?: (advert: Advert, path: AdvertPath) => string | undefined;
}
