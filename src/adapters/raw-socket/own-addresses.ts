import { networkInterfaces } from 'node:os';
import { type IpAddress, parseAddress } from '../../protocol/address.ts';

/** Reading all addresses takes a tenth of a millisecond: once a second is enough for as many groups as one likes. */
const FRESH_MS = 1000;
/** What is not found may just have been added. A flood of packets for others must not cost a reading each. */
const RETRY_MS = 50;

/** Which addresses are those of this host, as of a second ago at most. */
export interface OwnAddresses {
  readonly has: (address: IpAddress) => boolean;
  /** Whether the interface is up, with carrier, and has addresses: of others, nothing is known. */
  readonly knows: (interfaceName: string) => boolean;
}

interface Reading {
  readonly at: number;
  readonly texts: ReadonlySet<string>;
  readonly names: ReadonlySet<string>;
}

/** @param now - monotonic milliseconds */
export const ownAddresses = (
  now: () => number = () => performance.now(),
  read: typeof networkInterfaces = networkInterfaces,
): OwnAddresses => {
  let last: Reading | undefined;
  const readAll = (): Reading => {
    const found = read();
    const all = Object.values(found).flatMap((entries) => entries ?? []);
    const texts = all.flatMap(({ address }) => parseAddress(address)?.text ?? []);
    last = { at: now(), texts: new Set(texts), names: new Set(Object.keys(found)) };
    return last;
  };
  const youngerThan = (ms: number): Reading => (last !== undefined && now() - last.at < ms ? last : readAll());
  const look = (isThere: (reading: Reading) => boolean): boolean =>
    isThere(youngerThan(FRESH_MS)) || isThere(youngerThan(RETRY_MS));
  return {
    has: ({ text }) => look(({ texts }) => texts.has(text)),
    knows: (name) => look(({ names }) => names.has(name)),
  };
};
