/** `virtual_ipaddress` and `virtual_ipaddress_excluded` of keepalived.conf(5). */
import { parseAddress, parseCidr } from '../../protocol/address.ts';
import { ADDRESSES_MAX, TOO_MANY } from './bsd-group.ts';
import type { Remark } from './draft.ts';
import { cidrText, prefixOfMask } from './ifconfig.ts';
import type { Line } from './keepalived-text.ts';
import { type Place, show, showWords } from './source.ts';

export interface Addresses {
  readonly list: readonly string[];
  /** Above the list. */
  readonly remarks: readonly Remark[];
  /** Of addresses that are not in it. */
  readonly others: readonly Remark[];
}

/** Words with a value after them; without a remark, they change nothing that matters here. */
const WITH_VALUE = new Set(['brd', 'broadcast', 'dev', 'scope', 'label', 'peer', 'preferred_lft', 'track_group']);
const HARMLESS = new Set(['home', '-nodad', 'mngtmpaddr', 'noprefixroute', 'autojoin', 'no_track', 'use_vmac']);

/** As keepalived reads it: without a prefix it is that of one host. */
const cidrOf = (text: string): string | undefined => {
  const cidr = parseCidr(text);
  if (cidr !== undefined) return cidrText(cidr);
  const [host = '', mask] = text.split('/');
  const address = parseAddress(host);
  if (address === undefined) return undefined;
  const prefix = mask === undefined ? undefined : prefixOfMask(mask);
  if (mask !== undefined && prefix === undefined) return undefined;
  return cidrText({ address, ...(prefix === undefined ? {} : { prefix }) });
};

export const readAddresses = (instance: readonly Line[], device: string | undefined, place: Place): Addresses => {
  const list: string[] = [];
  const remarks: Remark[] = [];
  const others: Remark[] = [];
  for (const outer of instance) {
    const [kind = ''] = outer.words;
    if (kind !== 'virtual_ipaddress' && kind !== 'virtual_ipaddress_excluded') continue;
    if (kind === 'virtual_ipaddress_excluded' && (outer.block ?? []).length > 0)
      remarks.push(
        `${place(outer.line)}: excluded addresses are like the others here: CARP signs them all, and sends none.`,
      );
    for (const { line, words } of outer.block ?? []) {
      const [first = '', ...rest] = words;
      const cidr = cidrOf(first);
      const options = optionsOf(rest);
      const elsewhere = options.get('dev');
      if (cidr === undefined) others.push(`${place(line)}: no address: ${showWords(words)}`);
      else if (elsewhere !== undefined && elsewhere !== device)
        others.push(
          `${place(line)}: ${showWords(words)}: the addresses of a group are on its own interface; make another group on\n` +
            `  ${show(elsewhere)}, with the same sync`,
        );
      else {
        if (list.length >= ADDRESSES_MAX) {
          if (!others.includes(TOO_MANY)) others.push(TOO_MANY);
        } else if (!list.includes(cidr)) list.push(cidr);
        const lost = [...options].filter(
          ([name, value]) => name !== 'dev' && !(name === 'scope' && value === 'global'),
        );
        if (lost.length > 0)
          remarks.push(
            `${place(line)}: no equivalent: ${show(lost.map(([name, value]) => `${name} ${value}`.trim()).join(' '))}`,
          );
      }
    }
  }
  return { list, remarks, others };
};

/** What stands behind an address, as far as it matters. */
const optionsOf = (words: readonly string[]): ReadonlyMap<string, string> => {
  const options = new Map<string, string>();
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? '';
    if (WITH_VALUE.has(word)) {
      i += 1;
      options.set(word, words[i] ?? '');
    } else if (!HARMLESS.has(word)) options.set(word, '');
  }
  return options;
};
