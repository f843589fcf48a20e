import {
  type Cidr,
  compareAddresses,
  type IpAddress,
  isMulticast,
  parseAddress,
  parseCidr,
  sameAddress,
} from '../protocol/address.ts';
import { error, type Finding, type Path, show, warning } from './findings.ts';
import type { Loose } from './loose.ts';
import type { GroupConfig } from './types.ts';

const isLoopback = ({ family, bytes, text }: IpAddress): boolean => (family === 4 ? bytes[0] === 127 : text === '::1');

const isUnspecified = ({ bytes }: IpAddress): boolean => bytes.every((octet) => octet === 0);

const isBroadcast = ({ family, bytes }: IpAddress): boolean => family === 4 && bytes.every((octet) => octet === 0xff);

/** RFC 3021: a subnet of two addresses has no broadcast address. */
const PREFIX_WITH_BROADCAST_MAX = 30;

/** What an IPv4 address is in its own subnet, if it is none of a host. */
const kindInSubnet = ({ address, prefix }: Cidr): string | undefined => {
  if (address.family !== 4 || prefix > PREFIX_WITH_BROADCAST_MAX) return undefined;
  const hosts = 2 ** (32 - prefix);
  const host = new DataView(address.bytes.buffer, address.bytes.byteOffset).getUint32(0) % hosts;
  if (host === 0) return 'network';
  return host === hosts - 1 ? 'broadcast' : undefined;
};

/** Some networks are numbered like that, so it is not refused. */
const subnetHints = (texts: readonly (string | undefined)[], at: Path): readonly Finding[] =>
  texts.flatMap((text, i) => {
    const cidr = text === undefined ? undefined : parseCidr(text);
    if (cidr === undefined || unfitKind(cidr.address) !== undefined) return [];
    const kind = kindInSubnet(cidr);
    return kind === undefined
      ? []
      : [warning([...at, i], `${text} is the ${kind} address of its own subnet; use one of a host`)];
  });

/** What kind of address it is, if no host can have it. */
const unfitKind = (address: IpAddress): string | undefined => {
  if (isMulticast(address)) return 'a multicast address';
  if (isBroadcast(address)) return 'the broadcast address';
  if (isUnspecified(address)) return 'the unspecified address';
  return isLoopback(address) ? 'a loopback address' : undefined;
};

interface Placed {
  readonly path: Path;
  readonly address: IpAddress;
}

interface Checked {
  readonly findings: readonly Finding[];
  readonly placed: readonly Placed[];
}

type Check = (text: string) => { readonly address?: IpAddress; readonly problem?: string };

const checkShared: Check = (text) => {
  const address = parseCidr(text)?.address;
  const bare = parseAddress(text);
  if (bare !== undefined) {
    const example = `${bare.text}/${bare.family === 4 ? 24 : 64}`;
    return { problem: `${text} needs a prefix length, such as ${example}` };
  }
  if (address === undefined)
    return { problem: `must be an address with a prefix length, such as 192.0.2.100/24, but is ${show(text)}` };
  const kind = unfitKind(address);
  return kind === undefined ? { address } : { problem: `${text} is ${kind}, which hosts cannot share; use another` };
};

const checkBare: Check = (text) => {
  const cidr = parseCidr(text);
  if (cidr !== undefined) return { problem: `${text} must not have a prefix length: use ${cidr.address.text}` };
  const address = parseAddress(text);
  if (address === undefined) return { problem: `must be an address, such as 192.0.2.11, but is ${show(text)}` };
  const kind = unfitKind(address);
  return kind === undefined ? { address } : { problem: `${text} is ${kind}; give one that a host has` };
};

const checkAll = (texts: readonly (string | undefined)[], at: Path, check: Check): Checked => {
  const findings: Finding[] = [];
  const placed: Placed[] = [];
  for (const [i, text] of texts.entries()) {
    if (text === undefined) continue;
    const path = [...at, i];
    const { address, problem } = check(text);
    const twin = address === undefined ? undefined : placed.find((other) => sameAddress(other.address, address));
    if (problem !== undefined) findings.push(error(path, problem));
    else if (twin !== undefined) findings.push(error(path, `${text} is listed twice; remove one`));
    else if (address !== undefined) placed.push({ path, address });
  }
  return { findings, placed };
};

const checkSources = (source: Loose<GroupConfig>['source'], at: Path): Checked => {
  const checked = checkAll(typeof source === 'string' ? [source] : (source ?? []), at, checkBare);
  const [first, second] = checked.placed;
  const findings =
    first !== undefined && first.address.family === second?.address.family
      ? [
          ...checked.findings,
          error(second.path, `a second IPv${first.address.family} source; there can be one of each family`),
        ]
      : checked.findings;
  if (typeof source !== 'string') return { ...checked, findings };
  // A single address is not an entry of a list.
  return {
    findings: findings.map((finding) => ({ ...finding, path: at })),
    placed: checked.placed.map(({ address }) => ({ address, path: at })),
  };
};

/** The entries of one list that are in the other, too. */
const overlap = (entries: readonly Placed[], others: readonly Placed[], message: string): readonly Finding[] =>
  entries
    .filter(({ address }) => others.some((other) => compareAddresses(other.address, address) === 0))
    .map(({ path, address }) => error(path, `${address.text} ${message}`));

/** Rules for the addresses of one group: shared ones, sources and peers. */
export const addressRules = (group: Loose<GroupConfig>, at: Path): readonly Finding[] => {
  const shared = checkAll(group.addresses ?? [], [...at, 'addresses'], checkShared);
  const sources = checkSources(group.source, [...at, 'source']);
  const peers = checkAll(group.peers ?? [], [...at, 'peers'], checkBare);
  return [
    ...shared.findings,
    ...subnetHints(group.addresses ?? [], [...at, 'addresses']),
    ...sources.findings,
    ...peers.findings,
    ...overlap(
      sources.placed,
      shared.placed,
      'is a shared address of this group; the source must belong to this host alone',
    ),
    ...overlap(
      peers.placed,
      shared.placed,
      'is a shared address of this group; a peer is an address of one other host',
    ),
    ...overlap(peers.placed, sources.placed, 'is the source of this host; peers are the other hosts'),
  ];
};
