/** What ip(8) of iproute2 prints, as the messages of rtnetlink that it was made from. Pure. */
import { parseAddress, parseCidr } from '../../protocol/address.ts';
import { type Network, networkFrom } from './network.ts';
import { type AddressEntry, AddressFlag, type Link, LinkFlag, type RouteMessage } from './rtnetlink.ts';

const FOREVER = 0xffff_ffff;

/** net_device_flags, by the names that ip gives them. RUNNING is not among these: ip says NO-CARRIER where it is missing. */
const LINK_FLAGS: Readonly<Record<string, number>> = {
  UP: LinkFlag.UP,
  BROADCAST: 0x2,
  LOOPBACK: 0x8,
  POINTOPOINT: 0x10,
  NOARP: 0x80,
  PROMISC: 0x100,
  ALLMULTI: 0x200,
  MASTER: 0x400,
  SLAVE: 0x800,
  MULTICAST: 0x1000,
  LOWER_UP: 0x1_0000,
  DORMANT: 0x2_0000,
};

const linkFlags = (names: readonly string[]): number => {
  const isRunning = names.includes('UP') && !names.includes('NO-CARRIER');
  return names.reduce((flags, name) => flags | (LINK_FLAGS[name] ?? 0), isRunning ? LinkFlag.RUNNING : 0);
};

const SCOPES: Readonly<Record<string, number>> = { global: 0, site: 200, link: 253, host: 254, nowhere: 255 };
const scopeOf = (name: string): number => SCOPES[name] ?? (Number.parseInt(name, 10) || 0);

/** The words of an entry that have a meaning here. `temporary` is how ip calls IPv6's secondary addresses. */
const ADDRESS_FLAGS = {
  secondary: AddressFlag.SECONDARY,
  temporary: AddressFlag.SECONDARY,
  nodad: AddressFlag.NODAD,
  dadfailed: AddressFlag.DADFAILED,
  deprecated: AddressFlag.DEPRECATED,
  tentative: AddressFlag.TENTATIVE,
} as const;

/** @param has - whether ip has printed this word; `dynamic` means not permanent */
const addressFlags = (has: (word: string) => boolean): number =>
  Object.entries(ADDRESS_FLAGS).reduce(
    (flags, [word, flag]) => (has(word) ? flags | flag : flags),
    has('dynamic') ? 0 : AddressFlag.PERMANENT,
  );

const macOf = (text: unknown): Pick<Link, 'mac'> =>
  typeof text === 'string' && /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text) ? { mac: text.toLowerCase() } : {};

type Printed = Readonly<Record<string, unknown>>;
const isPrinted = (value: unknown): value is Printed => typeof value === 'object' && value !== null;
const printedList = (value: unknown): readonly Printed[] => (Array.isArray(value) ? value.filter(isPrinted) : []);
const isIndex = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value > 0;

const linkIn = (printed: Printed, indexOf: (name: string) => number | undefined): Link | undefined => {
  const { ifindex, ifname, flags, link, link_index: linkIndex, ifalias, address } = printed;
  if (!isIndex(ifindex) || typeof ifname !== 'string' || !Array.isArray(flags)) return undefined;
  const lower = isIndex(linkIndex) ? linkIndex : typeof link === 'string' ? indexOf(link) : undefined;
  return {
    index: ifindex,
    name: ifname,
    flags: linkFlags(flags.map(String)),
    ...macOf(address),
    ...(lower === undefined ? {} : { lower }),
    ...(typeof ifalias === 'string' ? { alias: ifalias } : {}),
  };
};

const entryIn = (index: number, printed: Printed): AddressEntry | undefined => {
  const { local, address, prefixlen, scope, valid_life_time: valid } = printed;
  // Where there is no local address, as on some tunnels, the one that there is counts.
  const found = parseAddress(String(local ?? address));
  if (found === undefined || typeof prefixlen !== 'number') return undefined;
  const flags = addressFlags((word) => printed[word] === true);
  const isForever = typeof valid !== 'number' || valid === FOREVER || (flags & AddressFlag.PERMANENT) !== 0;
  return {
    address: found,
    prefix: prefixlen,
    index,
    flags,
    scope: scopeOf(String(scope)),
    validSeconds: isForever ? undefined : valid,
  };
};

/** What `ip -j addr show` says. @throws SyntaxError if it is no JSON, or not this */
export const networkIn = (json: string): Network => {
  // Without interfaces, which happens nowhere but in tests, older versions print nothing at all.
  const content: unknown = JSON.parse(json.trim() === '' ? '[]' : json);
  if (!Array.isArray(content)) throw new SyntaxError('a list of interfaces was expected');
  const all = printedList(content);
  const indices = new Map(all.map(({ ifname, ifindex }) => [ifname, ifindex]));
  const indexOf = (name: string): number | undefined => {
    const index = indices.get(name);
    return isIndex(index) ? index : undefined;
  };
  const messages = all.flatMap((printed): readonly RouteMessage[] => {
    const link = linkIn(printed, indexOf);
    if (link === undefined) return [];
    const entries = printedList(printed['addr_info']).map((each) => entryIn(link.index, each));
    return [
      { type: 'link', link },
      ...entries.flatMap((entry): RouteMessage[] => (entry === undefined ? [] : [{ type: 'address', entry }])),
    ];
  });
  return networkFrom(messages);
};

/**
 * `3: eth0@if2: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc noqueue …\    link/ether 02:00:…`
 *
 * A bridge reports its ports in the same way ("Deleted": has left the bridge), but names no qdisc.
 */
const LINK = /^(Deleted )?(\d+): ([^\s@]+)(?:@[^\s@]+)?: <([A-Z0-9_,-]*)> mtu \d+ qdisc /;
const MAC = /\\\s+link\/\S+ (\S+)/;
/** `3: eth0    inet 192.0.2.100/32 scope global dynamic eth0\       valid_lft 60sec preferred_lft 60sec` */
const ADDRESS =
  /^(Deleted )?(\d+): \S+\s+inet6? (\S+)(?: peer \S+?\/(\d+))?(?: \S+)*? scope (\S+) ([^\\]*)\\\s+valid_lft (?:forever|(\d+)sec)/;

const linkMessage = ({ 1: deleted, 2: index, 3: name, 4: flags, input }: RegExpExecArray): RouteMessage => {
  if (deleted !== undefined) return { type: 'linkGone', index: Number(index) };
  const words = (flags ?? '').split(',');
  const mac = MAC.exec(input)?.[1];
  return { type: 'link', link: { index: Number(index), name: name ?? '', flags: linkFlags(words), ...macOf(mac) } };
};

const addressMessage = (found: RegExpExecArray): RouteMessage | undefined => {
  const [, deleted, index, local = '', peerPrefix, scope = '', rest = '', seconds] = found;
  const cidr = parseCidr(peerPrefix === undefined ? local : `${local}/${peerPrefix}`);
  if (cidr === undefined) return undefined;
  const words = new Set(rest.split(' '));
  const entry: AddressEntry = {
    ...cidr,
    index: Number(index),
    flags: addressFlags((word) => words.has(word)),
    scope: scopeOf(scope),
    validSeconds: seconds === undefined ? undefined : Number(seconds),
  };
  return { type: deleted === undefined ? 'address' : 'addressGone', entry };
};

/** What a line of `ip -o monitor link address` says; `undefined` if it cannot be told: then it is time to look. */
export const messageIn = (line: string): RouteMessage | undefined => {
  const link = LINK.exec(line);
  if (link !== null) return linkMessage(link);
  const address = ADDRESS.exec(line);
  return address === null ? undefined : addressMessage(address);
};
