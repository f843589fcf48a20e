/** What both formats of captures have in common. */
import { CarpError } from '../../ports/error.ts';
import type { LinkType } from '../../ports/sniffer.ts';

/** LINKTYPE_… of tcpdump.org that can carry adverts. */
export const LINK_TYPES: Readonly<Record<number, LinkType>> = {
  0: 'loopback',
  1: 'ethernet',
  // LINKTYPE_RAW, and what DLT_RAW was called on some systems before.
  101: 'ip',
  12: 'ip',
  14: 'ip',
  108: 'loopback',
  113: 'sll',
  228: 'ip',
  229: 'ip',
  276: 'sll2',
};

/** libpcap's MAXIMUM_SNAPLEN; a longer packet is a damaged file. */
export const RECORD_BYTES_MAX = 262_144;

export const unknownLink = (name: string, linkNumber: number): CarpError =>
  new CarpError('CARP_FAILED', `${name} has link type ${linkNumber}; Ethernet, Linux cooked and raw IP are read`, {
    remedy: 'capture on an Ethernet interface, or with: tcpdump -i any',
  });

export const truncated = (name: string, position: number): CarpError =>
  new CarpError(
    'CARP_FAILED',
    `${name} ends in the middle of a packet, after ${position} bytes; what is above is whole`,
    { remedy: 'end the capture before copying its file, or write with: tcpdump -U' },
  );

/** @param what - such as "a packet of 4294967295 bytes at byte 40" */
export const damaged = (name: string, what: string): CarpError =>
  new CarpError('CARP_FAILED', `${name} is damaged: ${what}`, {
    remedy: 'copy the file again (in binary mode), or capture again',
  });
