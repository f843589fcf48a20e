/** The options that let digests be checked: of `carp decode` and `carp watch`. */
import { createSigner } from '../adapters/node/hmac.ts';
import { readPassfile } from '../config/password.ts';
import { type IpAddress, parseAddress, parseCidr } from '../protocol/address.ts';
import { type Authenticator, authenticator, keyOf } from '../protocol/authentication.ts';
import { KEY_LENGTH } from '../protocol/constants.ts';
import type { Vhid } from '../protocol/units.ts';
import type { Verifier } from './advert-report.ts';
import { usageError } from './options.ts';

export const KEY_OPTIONS = {
  pass: { type: 'string' },
  passfile: { type: 'string' },
  address: { type: 'string', multiple: true, default: [] as string[] },
} as const;

export const KEY_HELP = `  --pass PASSWORD    the group's password (others can see it in the process list; '' is the empty one)
  --passfile FILE    a file whose first line is the password
  --address ADDRESS  a shared address of the group; repeat it for each one, in any order

An advert's digest signs the password together with all shared addresses of the group, of both families. So it is
checked only if the password and at least one address are given, and is "unchecked" otherwise.`;

export interface KeyValues {
  readonly pass?: string | undefined;
  readonly passfile?: string | undefined;
  readonly address: readonly string[];
}

const addressesOf = (command: string, texts: readonly string[]): readonly IpAddress[] =>
  texts.map((text) => {
    const address = parseCidr(text)?.address ?? parseAddress(text);
    if (address === undefined) throw usageError(command, `--address ${text} is no IP address`);
    return address;
  });

const passwordOf = (command: string, { pass, passfile }: KeyValues): Uint8Array | undefined => {
  if (pass !== undefined && passfile !== undefined)
    throw usageError(command, '--pass and --passfile exclude each other');
  const given = pass === undefined ? undefined : Buffer.from(pass);
  const password = passfile === undefined ? given : readPassfile(passfile).password;
  if (password !== undefined && password.length > KEY_LENGTH)
    throw usageError(
      command,
      `the password has ${password.length} bytes, a key only ${KEY_LENGTH}: ifconfig and ucarp keep the first 19, so give those`,
    );
  return password;
};

export interface GivenKey {
  /** 20 bytes. */
  readonly key: Uint8Array;
  readonly addresses: readonly IpAddress[];
}

/** What the options say; `undefined` if it is not enough to check a digest with. @throws CarpError CARP_CONFIG */
export const givenKey = (command: string, values: KeyValues): GivenKey | undefined => {
  const password = passwordOf(command, values);
  const addresses = addressesOf(command, values.address);
  return password === undefined || addresses.length === 0 ? undefined : { key: keyOf(password), addresses };
};

/** Checks digests of every vhid with the given key. */
export const verifierOf = ({ key, addresses }: GivenKey): Verifier => {
  const sign = createSigner(key);
  const authenticators = new Map<Vhid, Authenticator>();
  return (advert) => {
    const known = authenticators.get(advert.vhid) ?? authenticator({ vhid: advert.vhid, addresses }, sign);
    authenticators.set(advert.vhid, known);
    return known.verify(advert) === undefined ? 'bad' : 'ok';
  };
};
