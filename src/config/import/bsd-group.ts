/** A group as the lines of a BSD system build it up, one after the other: later values replace earlier ones. */
import { type Cidr, type Family, isInSubnet, parseAddress, sameAddress } from '../../protocol/address.ts';
import { PASSWORD_LENGTH_MAX } from '../../protocol/constants.ts';
import { type GroupDraft, type Remark, type Secret, type Setting, setting } from './draft.ts';
import { cidrText } from './ifconfig.ts';
import { type Place, show } from './source.ts';

export type { Place };

/** The order in which people read them. */
const ORDER = ['interface', 'vhid', 'addresses', 'peers', 'advbase', 'advskew'];

/** As many as a group of ours may have. */
export const ADDRESSES_MAX = 256;
export const TOO_MANY = `it has more than ${ADDRESSES_MAX} addresses; the others were left out, so it will not agree with other hosts`;

/** An address that an interface of the host has, as far as the files tell. */
export interface OwnAddress {
  readonly device: string;
  readonly cidr: Cidr;
}

export class BsdGroup {
  readonly #name: string;
  readonly #values = new Map<string, Setting>();
  readonly #remarks: Remark[] = [];
  readonly #lines = new Map<Place, Set<number>>();
  #addresses: Cidr[] = [];
  #peers: string[] = [];
  #secret: Secret | undefined;
  #disabled: string | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  get interface(): string {
    return String(this.#values.get('interface')?.value ?? '');
  }

  get addresses(): readonly Cidr[] {
    return this.#addresses;
  }

  /** This line is about it. */
  at(place: Place, line: number): void {
    this.#lines.set(place, (this.#lines.get(place) ?? new Set()).add(line));
  }

  set(key: string, value: unknown, where: string, ...remarks: readonly Remark[]): void {
    const before = this.#values.get(key);
    if (before !== undefined && before.value !== value)
      this.remark(`${where}: ${key} is told more than once, the last is taken`);
    this.#values.set(key, setting(key, value, ...remarks));
  }

  replaceInterface(device: string, ...remarks: readonly Remark[]): void {
    this.#values.set('interface', setting('interface', device, ...remarks));
  }

  /**
   * Where the interface is not told, both systems look for one that has an address of the same subnet, and so does this.
   * @param system - whose configuration it is
   */
  findParent(own: readonly OwnAddress[], { system, told }: { readonly system: string; readonly told: string }): void {
    const parent = own.find(({ cidr }) => this.#addresses.some(({ address }) => isInSubnet(address, cidr)));
    if (parent === undefined)
      this.replaceInterface(
        'eth0',
        `Not told: ${told} takes the interface with an address of the same subnet. Name it.`,
      );
    else
      this.replaceInterface(
        parent.device,
        `The one with an address of the same subnet, as ${system} finds it for ${told}.`,
      );
  }

  number(key: string, text: string, where: string): void {
    if (/^\d{1,9}$/.test(text)) this.set(key, Number(text), where);
    else this.remark(`${where}: ${key} ${show(text)} is no number`);
  }

  /** ifconfig(8) of FreeBSD and OpenBSD copies into 20 bytes, of which the last is zero. */
  password(text: string | undefined, where: string): void {
    if (text === undefined) return;
    const bytes = Buffer.from(text);
    const password = bytes.subarray(0, PASSWORD_LENGTH_MAX).toString();
    if (bytes.length > PASSWORD_LENGTH_MAX)
      this.remark(`${where}: ifconfig keeps the first 19 bytes of the password, and so does this`);
    if (this.#secret !== undefined && this.#secret.password !== password)
      this.remark(`${where}: pass is told more than once, the last is taken`);
    this.#secret = { password, place: where };
  }

  address(cidr: Cidr): void {
    if (this.#addresses.some(({ address }) => sameAddress(address, cidr.address))) return;
    if (this.#addresses.length < ADDRESSES_MAX) this.#addresses.push(cidr);
    else if (!this.#remarks.includes(TOO_MANY)) this.remark(TOO_MANY);
  }

  peer(text: string, where: string): void {
    const address = parseAddress(text);
    if (address === undefined) this.remark(`${where}: the peer ${show(text)} is no address`);
    else {
      this.dropPeers(address.family);
      this.#peers.push(address.text);
    }
  }

  /** A group has one peer of each family there, which may be a broadcast address. */
  dropPeers(family: Family): void {
    this.#peers = this.#peers.filter((peer) => parseAddress(peer)?.family !== family);
  }

  remark(remark: Remark): void {
    this.#remarks.push(remark);
  }

  disable(why: string): void {
    this.#disabled = why;
  }

  draft(shared: readonly Setting[]): GroupDraft {
    const values = new Map(this.#values);
    if (this.#addresses.length > 0) values.set('addresses', setting('addresses', this.#addresses.map(cidrText)));
    if (this.#peers.length > 0)
      values.set(
        'peers',
        setting('peers', this.#peers, 'Unicast: name all the other hosts, and this host there, in the same way.'),
      );
    const rank = ({ key }: Setting): number => (ORDER.includes(key) ? ORDER.indexOf(key) : ORDER.length);
    const all = [...values.values(), ...shared.filter(({ key }) => !values.has(key))];
    const disabled = this.#disabled ?? (values.has('vhid') ? undefined : 'the file does not tell its vhid');
    return {
      name: this.#name,
      settings: all.toSorted((a, b) => rank(a) - rank(b)),
      remarks: [[...this.#lines].map(([place, lines]) => place(...lines)).join(', '), ...this.#remarks],
      ...(this.#secret === undefined ? {} : { secret: this.#secret }),
      ...(disabled === undefined ? {} : { disabled }),
    };
  }
}
