/**
 * Whether what somebody types can be right. Pure: the browser runs it at each key, tests without a browser.
 *
 * Quick answers to typing mistakes; the check of the configuration, when the flows start, has the last word.
 */

/** What is wrong: the key of a text in the node's locale file, and what is put into that text. */
export interface Flaw {
  readonly key: string;
  readonly values?: Readonly<Record<string, string | number>>;
}

export type Check = (value: unknown) => Flaw | undefined;

/** Node-RED replaces a value that is a variable as a whole. */
export const isVariable = (value: unknown): boolean => /^\$(?:\{\S+\}|\(\S+\))$/.test(text(value));

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);

const isIpv6 = (address: string): boolean => {
  const halves = address.split('::');
  if (halves.length > 2) return false;
  const words = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  const last = words.at(-1) ?? '';
  const ended = address.endsWith('::') || !last.includes('.');
  const plain = ended ? words : words.slice(0, -1);
  if (!plain.every((word) => /^[0-9a-f]{1,4}$/i.test(word))) return false;
  if (!ended && !IPV4.test(last)) return false;
  const length = plain.length + (ended ? 0 : 2);
  return halves.length === 2 ? length <= 7 : length === 8;
};

/** 4 or 6; undefined if it is no address. */
export const familyOf = (address: string): 4 | 6 | undefined => {
  if (IPV4.test(address)) return 4;
  // A link-local address may name its interface.
  const [bare = '', zone, ...more] = address.split('%');
  return isIpv6(bare) && bare.includes(':') && zone !== '' && more.length === 0 ? 6 : undefined;
};

/** An address with its prefix: `192.0.2.100/24`. */
export const isPrefixed = (value: string): boolean => {
  const [address = '', prefix = '', ...more] = value.split('/');
  const family = address.includes('%') ? undefined : familyOf(address);
  if (family === undefined || more.length > 0 || !/^(?:0|[1-9]\d{0,2})$/.test(prefix)) return false;
  return Number(prefix) <= (family === 4 ? 32 : 128);
};

/** A shared address in a list that is being typed. */
export const sharedAddress: Check = (value) => {
  const address = text(value);
  return address === '' || isVariable(address) || isPrefixed(address)
    ? undefined
    : { key: familyOf(address) === undefined ? 'problem.address' : 'problem.prefix', values: { address } };
};

/** The address of a peer in a list that is being typed. */
export const peerAddress: Check = (value) => {
  const address = text(value);
  return address === '' || isVariable(address) || familyOf(address) !== undefined
    ? undefined
    : { key: 'problem.peer', values: { address } };
};

/** Each of a list; the first flaw. */
export const each =
  (check: Check): Check =>
  (value) =>
    (Array.isArray(value) ? value : []).map(check).find((flaw) => flaw !== undefined);

/** One address, or one of each family. */
export const sources: Check = (value) => {
  const all = text(value)
    .split(/[\s,]+/)
    .filter((one) => one !== '');
  const families = all.map((one) => (isVariable(one) ? one : familyOf(one)));
  const valid = all.length <= 2 && !families.includes(undefined) && new Set(families).size === all.length;
  return valid ? undefined : { key: 'problem.source' };
};

interface Range {
  readonly key: string;
  readonly least: number;
  readonly most: number;
  /** Whether it may be left out. */
  readonly optional?: boolean;
}

/** A whole number from `least` to `most`, or a variable. */
export const whole =
  ({ key, least, most, optional = false }: Range): Check =>
  (value) => {
    const typed = text(value);
    if (isVariable(typed) || (optional && typed === '')) return undefined;
    return /^\d+$/.test(typed) && Number(typed) >= least && Number(typed) <= most ? undefined : { key };
  };

/** A number from `least` to `most` with or without a fraction, or a variable. */
export const decimal =
  ({ key, least, most, optional = false }: Range): Check =>
  (value) => {
    const typed = text(value);
    if (isVariable(typed) || (optional && typed === '')) return undefined;
    return /^\d+(?:\.\d+)?$/.test(typed) && Number(typed) >= least && Number(typed) <= most ? undefined : { key };
  };

/** One level of a topic: no slash, no wildcard, no space. */
export const topicLevel =
  (key: string, optional: boolean): Check =>
  (value) => {
    const typed = text(value);
    if (typed === '') return optional ? undefined : { key };
    return isVariable(typed) || !/[/+#\s]/.test(typed) ? undefined : { key };
  };

/** Levels without a wildcard: the first part of all topics. */
export const baseTopic: Check = (value) => {
  const typed = text(value);
  return typed === '' || isVariable(typed) || /^[^/+#]+(?:\/[^/+#]+)*$/.test(typed)
    ? undefined
    : { key: 'problem.base' };
};

/** `IFNAMSIZ` of Linux, with the zero that ends it, is 16. */
export const interfaceName: Check = (value) => {
  const typed = text(value);
  return isVariable(typed) || /^[^\s/]{1,15}$/.test(typed) ? undefined : { key: 'problem.interface' };
};

export const absolutePath: Check = (value) => {
  const typed = text(value);
  return typed === '' || isVariable(typed) || typed.startsWith('/') ? undefined : { key: 'problem.socket' };
};

/** One URL, or several: the first broker that answers is taken. */
export const brokerUrls: Check = (value) => {
  const urls = text(value).split(/[\s,]+/);
  if (urls.length > BROKERS_MAX) return { key: 'problem.urls', values: { count: urls.length } };
  return urls.every((url) => url === '' || isVariable(url) || isBrokerUrl(url)) ? undefined : { key: 'problem.url' };
};

const BROKERS_MAX = 16;

const isBrokerUrl = (url: string): boolean => /^(?:mqtts?|wss?):\/\/[^\s/]+/.test(url);

/** A name of Sparkplug: one level of its topics, which may have blanks. */
export const sparkplugId: Check = (value) => {
  const typed = text(value);
  return typed === '' || isVariable(typed) || /^[^+#/\p{C}]{1,128}$/u.test(typed)
    ? undefined
    : { key: 'problem.sparkplug' };
};

/** What the list of configuration nodes has where none is chosen. */
const NONE_CHOSEN = ['', '_ADD_', 'NONE'];

/** A configuration node that has to be chosen, and to be there. @param find - all that there are, by id */
export const chosenNode =
  (
    find: (id: string) => { readonly d?: boolean } | null,
    { missing, gone }: { readonly missing?: string; readonly gone: string },
  ): Check =>
  (value) => {
    const id = text(value);
    if (NONE_CHOSEN.includes(id)) return missing === undefined ? undefined : { key: missing };
    if (isVariable(id)) return undefined;
    const node = find(id);
    return node === null || node.d === true ? { key: gone } : undefined;
  };

const PASSPHRASE_BYTES_MAX = 19;

/** CARP's key has 20 bytes, of which BSD kernels keep the last for the end of the text. */
export const passphrase: Check = (value) => {
  // What the editor has instead of a passphrase that is stored.
  if (typeof value !== 'string' || value === '__PWRD__' || isVariable(value)) return undefined;
  const bytes = new TextEncoder().encode(value).length;
  return bytes <= PASSPHRASE_BYTES_MAX ? undefined : { key: 'problem.passphrase', values: { bytes } };
};

/** 1 to 64 printable characters; a variable is fine. */
export const reason: Check = (value) => {
  const typed = text(value);
  return isVariable(typed) || /^[^\p{C}]{1,64}$/u.test(typed) ? undefined : { key: 'problem.reason' };
};

/** advbase and advskew both 0 would be adverts without a pause. */
export const isZeroInterval = (advbase: unknown, advskew: unknown): boolean =>
  /^0+$/.test(text(advbase)) && /^0+$/.test(text(advskew));

const text = (value: unknown): string =>
  typeof value === 'string' ? value.trim() : typeof value === 'number' ? String(value) : '';
