/** What goes wrong with lists of addresses (DESIGN D11), as the bytes that were signed then. */
import { addressOf, compareAddresses, type IpAddress, isInSubnet, isLinkLocal, isMulticast } from './address.ts';
import { ADDRESS_FORMS, type AddressForm, signedMessage } from './authentication.ts';
import type { Vhid } from './units.ts';

/** How the peer's list differs from ours. */
export type ListMistake =
  /** Ours has these, theirs not. */
  | { readonly type: 'missing-address'; readonly addresses: readonly IpAddress[] }
  /** Theirs has these, ours not. */
  | { readonly type: 'extra-address'; readonly addresses: readonly IpAddress[] }
  | { readonly type: 'other-address'; readonly missing: IpAddress; readonly extra: IpAddress }
  /** Of several, as ucarp signs. */
  | { readonly type: 'one-address'; readonly address: IpAddress }
  | { readonly type: 'one-family'; readonly family: 4 | 6 }
  | { readonly type: 'no-addresses' }
  | { readonly type: 'addresses-of-group'; readonly group: string }
  /** As it was configured, not sorted: FreeBSD before its carp interfaces became addresses. */
  | { readonly type: 'unsorted-addresses' }
  | { readonly type: 'repeated-address'; readonly address: IpAddress };

export interface WrongList {
  /** What is signed, the counter left 0; it is the last 8 bytes. */
  readonly message: Uint8Array;
  readonly mistake: ListMistake;
}

/** What our list is, and how it is signed. */
export interface OwnList {
  readonly vhid: Vhid;
  /** As configured. */
  readonly addresses: readonly IpAddress[];
  /** OpenBSD's extra 6 bytes, where the group is set to them. */
  readonly mac?: Uint8Array;
}

/** Of each kind: most groups have few addresses, and who has many should still get an answer. */
const EACH_MAX = 64;
const PAIRS_MAX = 300;
const ORDERS_MAX = 120;
const NEIGHBOURS_MAX = 1024;
const REPLACED_MAX = 512;

/** The list in all forms in which somebody signs it, each message once. Those of IPv4 alone have one form. */
export const formsOf = (
  { vhid, addresses, mac }: OwnList,
  forms: readonly AddressForm[] = ADDRESS_FORMS,
): readonly Uint8Array[] => {
  const all = addresses.some(({ family }) => family === 6) ? forms : forms.slice(0, 1);
  const messages = all.map((form) => signedMessage({ vhid, addresses, form, ...(mac === undefined ? {} : { mac }) }));
  return messages.length === 1 ? messages : [...new Map(messages.map((message) => [message.join(), message])).values()];
};

const wrongLists = (own: OwnList, addresses: readonly IpAddress[], mistake: ListMistake): readonly WrongList[] =>
  formsOf({ ...own, addresses }).map((message) => ({ message, mistake }));

/**
 * The plain mistakes: an address, a family or all of them left out, one address too many of those that this host can
 * name, the list of another group.
 *
 * @param guesses - addresses that a peer may have in its list by mistake, likely ones first
 */
export const likelyLists = function* (
  own: OwnList,
  guesses: readonly IpAddress[],
  others: readonly { readonly group: string; readonly addresses: readonly IpAddress[] }[],
): Generator<WrongList> {
  const { addresses } = own;
  const without = (...missing: readonly IpAddress[]) => addresses.filter((address) => !missing.includes(address));
  for (const missing of addresses.slice(0, EACH_MAX))
    if (addresses.length > 1)
      yield* wrongLists(own, without(missing), { type: 'missing-address', addresses: [missing] });
  for (const address of addresses.slice(0, EACH_MAX))
    if (addresses.length > 2) yield* wrongLists(own, [address], { type: 'one-address', address });
  for (const family of [4, 6] as const) {
    const some = addresses.filter((address) => address.family === family);
    if (some.length > 0 && some.length < addresses.length) yield* wrongLists(own, some, { type: 'one-family', family });
  }
  if (addresses.length > 0) yield* wrongLists(own, [], { type: 'no-addresses' });
  for (const extra of unlisted(guesses, addresses).slice(0, EACH_MAX)) {
    yield* wrongLists(own, [...addresses, extra], { type: 'extra-address', addresses: [extra] });
    for (const missing of addresses.slice(0, 4))
      yield* wrongLists(own, [...without(missing), extra], { type: 'other-address', missing, extra });
  }
  for (const { group, addresses: theirs } of others.slice(0, EACH_MAX))
    yield* wrongLists(own, theirs, { type: 'addresses-of-group', group });
};

/** Two addresses left out. */
export const listsWithoutTwo = function* (own: OwnList): Generator<WrongList> {
  const { addresses } = own;
  let left = PAIRS_MAX;
  if (addresses.length < 3) return;
  for (const [i, first] of addresses.entries())
    for (const second of addresses.slice(i + 1)) {
      if (left === 0) return;
      left -= 1;
      const rest = addresses.filter((address) => address !== first && address !== second);
      // In the plain form alone: the others matter only to lists of IPv6, and there are many pairs.
      for (const message of formsOf({ ...own, addresses: rest }, ['with-link-local']))
        yield { message, mistake: { type: 'missing-address', addresses: [first, second] } };
    }
};

/**
 * An address too many of a block of 256 in which there is one of ours or a guess: one that we forgot, perhaps the only one
 * of its family. Or an address of the block instead of one of ours: a typing mistake.
 */
export const neighbouringLists = function* (own: OwnList, guesses: readonly IpAddress[]): Generator<WrongList> {
  const { addresses } = own;
  const plain = (list: readonly IpAddress[], mistake: ListMistake): readonly WrongList[] =>
    formsOf({ ...own, addresses: list }, ['with-link-local']).map((message) => ({ message, mistake }));
  for (const extra of unlisted(neighbours([...addresses, ...guesses]).slice(0, NEIGHBOURS_MAX), addresses))
    yield* plain([...addresses, extra], { type: 'extra-address', addresses: [extra] });
  const each = Math.ceil(REPLACED_MAX / Math.max(1, addresses.length));
  for (const missing of addresses) {
    const rest = addresses.filter((address) => address !== missing);
    for (const extra of bySlips(missing, unlisted(neighbours([missing]), addresses)).slice(0, each))
      yield* plain([...rest, extra], { type: 'other-address', missing, extra });
  }
};

/** As configured here, or in any other order if there are few, and each address twice. */
export const disorderedLists = function* (own: OwnList): Generator<WrongList> {
  const { addresses } = own;
  const sorted = formsOf({ ...own, addresses }).map((message) => message.join());
  const first = addresses.filter(({ family }) => family === 4);
  const second = addresses.filter(({ family }) => family === 6);
  // The first of the permutations is the order in which they stand.
  for (const order of take(combined(permutations(first), permutations(second)), ORDERS_MAX)) {
    const message = rawMessage(own, order);
    if (!sorted.includes(message.join())) yield { message, mistake: { type: 'unsorted-addresses' } };
  }
  const inOrder = addresses.toSorted(compareAddresses);
  for (const address of inOrder.slice(0, EACH_MAX)) {
    const twice = inOrder.flatMap((one) => (one === address ? [one, one] : [one]));
    yield { message: rawMessage(own, twice), mistake: { type: 'repeated-address', address } };
  }
};

/** The addresses as they come, neither sorted nor weeded. */
const rawMessage = ({ vhid, mac }: OwnList, addresses: readonly IpAddress[]): Uint8Array =>
  Uint8Array.from([2, 1, ...(mac ?? []), vhid, ...addresses.flatMap(({ bytes }) => [...bytes]), ...Array(8).fill(0)]);

const unlisted = (guesses: readonly IpAddress[], addresses: readonly IpAddress[]): readonly IpAddress[] => {
  const known = new Set(addresses.map(({ text }) => text));
  return guesses.filter(({ text }) => !known.has(text) && known.add(text));
};

const neighbours = (addresses: readonly IpAddress[]): readonly IpAddress[] => {
  const blocks: IpAddress[] = [];
  for (const address of addresses) {
    const prefix = address.bytes.length * 8 - 8;
    if (blocks.some((block) => isInSubnet(address, { address: block, prefix }))) continue;
    if (!isMulticast(address) && !isLinkLocal(address)) blocks.push(address);
  }
  return blocks.flatMap(({ bytes }) =>
    Array.from({ length: 256 }, (_, last) => addressOf(Uint8Array.from([...bytes.subarray(0, -1), last]))),
  );
};

/** Those first that differ from `address` in the fewest digits. */
const bySlips = (address: IpAddress, others: readonly IpAddress[]): readonly IpAddress[] => {
  const digits = ({ family, bytes }: IpAddress): string =>
    (bytes.at(-1) ?? 0).toString(family === 4 ? 10 : 16).padStart(3, '0');
  const own = digits(address);
  const slips = (other: IpAddress): number => [...digits(other)].filter((digit, i) => digit !== own[i]).length;
  return others.toSorted((one, other) => slips(one) - slips(other));
};

const permutations = function* <Item>(items: readonly Item[]): Generator<readonly Item[]> {
  if (items.length <= 1) yield items;
  else
    for (const [i, item] of items.entries())
      for (const rest of permutations(items.toSpliced(i, 1))) yield [item, ...rest];
};

const combined = function* <Item>(
  firsts: Iterable<readonly Item[]>,
  seconds: Iterable<readonly Item[]>,
): Generator<readonly Item[]> {
  const all = [...take(seconds, ORDERS_MAX)];
  for (const first of firsts) for (const second of all) yield [...first, ...second];
};

const take = function* <Item>(items: Iterable<Item>, count: number): Generator<Item> {
  let left = count;
  if (left === 0) return;
  for (const item of items) {
    yield item;
    left -= 1;
    if (left === 0) return;
  }
};
