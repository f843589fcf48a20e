/** What one packet of protocol 112 says, or why receivers would refuse it. */
import { isMulticast } from '../protocol/address.ts';
import { type Advert, hasValidChecksum, readAdvert, versionOf } from '../protocol/advert.ts';
import { internetChecksum } from '../protocol/checksum.ts';
import { ADVERT_LENGTH, CARP_TTL } from '../protocol/constants.ts';
import { formatMac } from '../protocol/mac.ts';
import { advertInterval } from '../protocol/timing.ts';
import { toExactMillis } from '../protocol/units.ts';
import { readVrrp, type Vrrp } from '../protocol/vrrp.ts';
import type { Refused, Trouble } from './segment-events.ts';
import type { CarpPacket } from './segment-packet.ts';
import type { Rank, Who } from './segment-speaker.ts';
import type { MacKind, Sample } from './segment-system.ts';

export interface Said {
  readonly who: Who;
  readonly version: 2 | 3;
  readonly isFarewell: boolean;
  readonly rank: Rank;
  readonly intervalMs: number;
  readonly ttl: number;
  readonly counts: boolean;
  readonly addresses: readonly string[];
  readonly sample: Sample;
  /** Of CARP, for those who can check its digest. */
  readonly advert: Advert | undefined;
}

export type Heard =
  | { readonly type: 'said'; readonly said: Said; readonly refused: (Refused & { readonly why: Trouble }) | undefined }
  | { readonly type: 'refused'; readonly refused: Refused & { readonly why: Trouble } };

/** The last byte of a virtual MAC is the id; what stands before it says whose. */
const MAC_PREFIXES: readonly (readonly [prefix: string, kind: MacKind])[] = [
  ['00:00:5e:00:01', 'carp'],
  ['00:00:5e:00:00', 'ucarp'],
  ['01:00:5e:00:01', 'group'],
  ['00:00:5e:00:02', 'vrrp-ipv6'],
];

export const macKind = (mac: string): MacKind => MAC_PREFIXES.find(([prefix]) => mac.startsWith(prefix))?.[1] ?? 'own';

const whereOf = ({ mac, vlans, interface: port }: CarpPacket) => ({
  ...(mac === undefined ? {} : { mac: formatMac(mac) }),
  ...(vlans.length === 0 ? {} : { vlan: vlans.join('.') }),
  ...(port === undefined ? {} : { interface: port }),
});

const refusalOf = (packet: CarpPacket, why: Trouble, more: Pick<Refused, 'version' | 'vhid'> = {}) => ({
  why,
  source: packet.source.text,
  destination: packet.destination.text,
  ttl: packet.ttl,
  ...whereOf(packet),
  ...more,
});

/** Reads a packet, cheapest check first. Never throws, whatever is in it. */
export const hearPacket = (packet: CarpPacket): Heard => {
  const { payload, state } = packet;
  if (state === 'fragment') return { type: 'refused', refused: refusalOf(packet, 'fragment') };
  const version = versionOf(payload);
  const known = version === undefined ? {} : { version };
  const vrrp = state === 'cut' ? undefined : readVrrp(payload, packet);
  if (vrrp !== undefined) return vrrpSaid(packet, vrrp);
  const refuse = (why: Trouble): Heard => ({ type: 'refused', refused: refusalOf(packet, why, known) });
  if (version !== undefined && version !== 2) return refuse('badver');
  if (payload.length < ADVERT_LENGTH) return refuse(state === 'cut' ? 'cut' : 'badlen');
  if (!hasValidChecksum(payload, packet)) return refuse('badsum');
  const advert = readAdvert(payload);
  return advert.vhid === 0 ? refuse('badvhid') : carpSaid(packet, advert);
};

const whoOf = (packet: CarpPacket, protocol: Who['protocol'], vhid: number): Who => ({
  protocol,
  vhid,
  family: packet.source.family,
  source: packet.source.text,
  ...whereOf(packet),
});

/** The TTL says that it crossed a router; to a unicast peer it may (FreeBSD's carp(4), `peer`). */
const isTaken = ({ ttl, destination }: CarpPacket): boolean => ttl === CARP_TTL || !isMulticast(destination);

const said = (packet: CarpPacket, content: Omit<Said, 'ttl' | 'counts'>): Heard => {
  const counts = isTaken(packet);
  const { version, who } = content;
  return {
    type: 'said',
    said: { ...content, ttl: packet.ttl, counts },
    refused: counts ? undefined : refusalOf(packet, 'badttl', { version, vhid: who.vhid }),
  };
};

const sampleOf = ({ source, tos, id }: CarpPacket, who: Who) => ({
  family: source.family,
  tos,
  hasId: id === undefined ? undefined : id !== 0,
  mac: who.mac === undefined ? undefined : macKind(who.mac),
});

const FAREWELL = 255;

const carpSaid = (packet: CarpPacket, advert: Advert): Heard => {
  const { advbase, advskew, demotion, counter, vhid } = advert;
  const who = whoOf(packet, 'carp', vhid);
  const isFarewell = advbase === FAREWELL && advskew === FAREWELL;
  return said(packet, {
    who,
    version: 2,
    isFarewell,
    rank: { advbase, advskew, demotion },
    intervalMs: toExactMillis(advertInterval(advbase, advskew)),
    addresses: [],
    advert,
    sample: {
      ...sampleOf(packet, who),
      counter,
      countsDemotion: demotion !== 0,
      pseudoHeader: packet.source.family === 6 && internetChecksum(packet.payload.subarray(0, ADVERT_LENGTH)) !== 0,
      saidFarewell: isFarewell,
      subSecond: advbase === 0,
    },
  });
};

/** A farewell of VRRP has priority 0. Version 2 may say an interval of 0 by mistake. */
const VRRP_INTERVAL_MS_MIN = 10;

const vrrpSaid = (packet: CarpPacket, { version, vrid, priority, addresses, interval, checksum }: Vrrp): Heard => {
  const who = whoOf(packet, 'vrrp', vrid);
  if (checksum === 'bad') return { type: 'refused', refused: refusalOf(packet, 'badsum', { version, vhid: vrid }) };
  return said(packet, {
    who,
    version,
    isFarewell: priority === 0,
    rank: { priority },
    intervalMs: Math.max(VRRP_INTERVAL_MS_MIN, interval),
    addresses: addresses.map(({ text }) => text),
    advert: undefined,
    sample: {
      ...sampleOf(packet, who),
      counter: undefined,
      countsDemotion: false,
      pseudoHeader: false,
      saidFarewell: false,
      subSecond: false,
    },
  });
};
