/** IP protocol number, shared with VRRP. */
export const CARP_PROTOCOL = 112;
/** A packet that crossed a router has a smaller TTL or hop limit, and is refused. */
export const CARP_TTL = 255;
/** Type of service of an advert: "low delay", as OpenBSD, NetBSD and ucarp send it. */
export const CARP_TOS = 0x10;
/** IPv4 group of all CARP and VRRP speakers. */
export const CARP_GROUP_IPV4 = '224.0.0.18';
/** Its IPv6 sister. */
export const CARP_GROUP_IPV6 = 'ff02::12';
/** Length of an advert without the IP header, in bytes. Every CARP advert has it. */
export const ADVERT_LENGTH = 36;
/** Length of the key, in bytes; shorter passwords are padded with zeros. */
export const KEY_LENGTH = 20;
/** The longest password that ifconfig(8) and ucarp keep, in bytes. */
export const PASSWORD_LENGTH_MAX = 19;
/** Effective skew of a fully demoted host; a sum of demotions this high makes a MASTER hand over (DESIGN D2, D6). */
export const DEMOTED_SKEW = 240;
