/**
 * What goes wrong with passwords on their way into a key (DESIGN D11), as keys to be tried.
 *
 * A finding must not help anybody to guess a password. Whoever may send adverts and read findings could otherwise guess
 * it character by character ("cut after 1", "cut after 2" …). So a cut at an arbitrary place is looked for only behind
 * `CUT_MIN` characters, and one at a character that shells and files end words at behind `WORD_MIN`: too many to be
 * guessed at one diagnosis a second. That the last character is missing is told without a number, which would be the
 * length.
 */
import { keyOf } from './authentication.ts';
import { KEY_LENGTH, PASSWORD_LENGTH_MAX } from './constants.ts';

/** Another group of this host, whose password the peer may have used by mistake. */
export interface KnownKey {
  readonly group: string;
  /** 20 bytes. */
  readonly key: Uint8Array;
}

/** What is wrong with the peer's password, measured by ours. Never holds any of its characters. */
export type PasswordMistake =
  | { readonly type: 'empty-password' }
  | { readonly type: 'password-of-group'; readonly group: string }
  /** `after`: how many characters are left; missing where it would tell the length. */
  | { readonly type: 'password-cut'; readonly after?: number }
  | { readonly type: 'password-with'; readonly what: keyof typeof ADDITIONS }
  /** The mirror image: ours has what theirs has not. */
  | { readonly type: 'password-without'; readonly what: keyof typeof ADDITIONS }
  | { readonly type: 'password-case' }
  | { readonly type: 'password-encoding' }
  | { readonly type: 'password-longer' };

export interface WrongKey {
  readonly key: Uint8Array;
  readonly mistake: PasswordMistake;
}

const LF = 0x0a;
const CR = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;
const DOUBLE = 0x22;
const SINGLE = 0x27;

/** What an editor, a shell or a configuration file leaves around a password: before and behind it. */
const ADDITIONS = {
  'carriage-return': [[], [CR]],
  newline: [[], [LF]],
  'carriage-return-and-newline': [[], [CR, LF]],
  'space-behind': [[], [SPACE]],
  'space-before': [[SPACE], []],
  tab: [[], [TAB]],
  'double-quotes': [[DOUBLE], [DOUBLE]],
  'single-quotes': [[SINGLE], [SINGLE]],
} as const satisfies Record<string, readonly [before: readonly number[], behind: readonly number[]]>;

const CUT_MIN = 8;
const WORD_MIN = 4;
/** Where shells, rc files and configuration files take a word to end: space, ", #, $, ', ;, &, |, \, `, !, :, =, comma. */
const WORD_ENDS = new Set(Uint8Array.from([...' "#$\';&|\\`!:=,'].map((character) => character.charCodeAt(0))));

/** The bytes of the password that this is the key of: a password has no zero byte. */
const passwordOf = (key: Uint8Array): Uint8Array => {
  const end = key.findLastIndex((octet) => octet !== 0);
  return key.slice(0, end + 1);
};

const wrong = (password: Iterable<number>, mistake: PasswordMistake): WrongKey => ({
  // What does not fit into a key any more is cut off there, as ifconfig does.
  key: keyOf(Uint8Array.from(password).slice(0, KEY_LENGTH)),
  mistake,
});

/** The usual mistakes, likely ones first; about thirty. None of them is our key, and no key comes twice. */
export const wrongKeys = (key: Uint8Array, others: readonly KnownKey[]): readonly WrongKey[] => {
  const password = passwordOf(key);
  const all = [
    wrong([], { type: 'empty-password' }),
    ...others.map(
      (other): WrongKey => ({ key: other.key, mistake: { type: 'password-of-group', group: other.group } }),
    ),
    ...(password.length === 0 ? [] : [...cuts(password), ...additions(password), ...spellings(password)]),
  ];
  return distinct(key, all);
};

/** All keys that begin with a password of 19 bytes: the kernels take 20, ifconfig and ucarp only 19. */
export const longerKeys = (key: Uint8Array): readonly WrongKey[] => {
  const password = passwordOf(key);
  if (password.length !== PASSWORD_LENGTH_MAX) return [];
  return Array.from({ length: 255 }, (_, i) => wrong([...password, i + 1], { type: 'password-longer' }));
};

const cuts = (password: Uint8Array): readonly WrongKey[] => {
  const { length } = password;
  const natural = [...password.keys()].filter((i) => i >= WORD_MIN && WORD_ENDS.has(password[i] ?? 0));
  const any = Array.from({ length: Math.max(0, length - CUT_MIN) }, (_, i) => length - 1 - i);
  // NetBSD's ifconfig drops the last character of every password; 19 of 20 are what is left of a key set by ioctl.
  return [...new Set([length - 1, ...natural, ...any])]
    .filter((after) => after > 0)
    .map((after) => wrong(password.slice(0, after), cutAfter(after, length)));
};

const cutAfter = (after: number, length: number): PasswordMistake =>
  after === length - 1 && after !== PASSWORD_LENGTH_MAX ? { type: 'password-cut' } : { type: 'password-cut', after };

const additions = (password: Uint8Array): readonly WrongKey[] =>
  (Object.keys(ADDITIONS) as (keyof typeof ADDITIONS)[]).flatMap((what) => {
    const [before, behind]: readonly [readonly number[], readonly number[]] = ADDITIONS[what];
    const theirs = [...before, ...password, ...behind];
    const mistake = { type: 'password-with', what } as const;
    const bare = password.slice(before.length, password.length - behind.length);
    const isOurs = bare.length > 0 && [...before, ...bare, ...behind].join() === password.join();
    return [
      wrong(theirs, mistake),
      wrong(theirs.slice(0, PASSWORD_LENGTH_MAX), mistake),
      ...(isOurs ? [wrong(bare, { type: 'password-without', what })] : []),
    ];
  });

const CASE_BIT = 0x20;
const isUpper = (octet: number): boolean => octet >= 0x41 && octet <= 0x5a;
const isLower = (octet: number): boolean => octet >= 0x61 && octet <= 0x7a;
const lower = (octet: number): number => (isUpper(octet) ? octet | CASE_BIT : octet);
const upper = (octet: number): number => (isLower(octet) ? octet & ~CASE_BIT : octet);
const swapped = (octet: number): number => (isUpper(octet) ? lower(octet) : upper(octet));

const spellings = (password: Uint8Array): readonly WrongKey[] => [
  ...[
    password.map(swapped),
    password.map(lower),
    password.map(upper),
    password.map((octet, i) => (i === 0 ? swapped(octet) : octet)),
  ].map((spelling) => wrong(spelling, { type: 'password-case' })),
  ...[toLatin1(password), fromLatin1(password)].map((spelling) => wrong(spelling, { type: 'password-encoding' })),
];

/** UTF-8 to ISO 8859-1, as far as that has the characters. */
const toLatin1 = (password: Uint8Array): number[] => {
  const bytes: number[] = [];
  for (let i = 0; i < password.length; i += 1) {
    const [octet = 0, next = 0] = [password[i], password[i + 1]];
    const isPair = (octet === 0xc2 || octet === 0xc3) && (next & 0xc0) === 0x80;
    bytes.push(isPair ? ((octet & 0x03) << 6) | (next & 0x3f) : octet);
    if (isPair) i += 1;
  }
  return bytes;
};

/** ISO 8859-1 to UTF-8. */
const fromLatin1 = (password: Uint8Array): number[] =>
  [...password].flatMap((octet) => (octet < 0x80 ? [octet] : [0xc0 | (octet >> 6), 0x80 | (octet & 0x3f)]));

const distinct = (own: Uint8Array, all: readonly WrongKey[]): readonly WrongKey[] => {
  const seen = new Set([own.join()]);
  return all.filter(({ key }) => {
    const text = key.join();
    return !seen.has(text) && seen.add(text);
  });
};
