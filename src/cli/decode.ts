import { createReadStream } from 'node:fs';
import { readCapture } from '../adapters/node/capture.ts';
import { createSigner } from '../adapters/node/hmac.ts';
import { readPassfile } from '../config/password.ts';
import { carpPacket } from '../engine/segment-packet.ts';
import { CarpError } from '../ports/error.ts';
import { type IpAddress, parseAddress, parseCidr } from '../protocol/address.ts';
import { type Authenticator, authenticator, keyOf } from '../protocol/authentication.ts';
import { KEY_LENGTH } from '../protocol/constants.ts';
import type { Vhid } from '../protocol/units.ts';
import { line, reportOf, Summary, type Verifier } from './advert-report.ts';
import { type Command, Exit, parseOptions, usageError } from './options.ts';
import { print, printJson } from './output.ts';

const HELP = `Usage: carp decode [--json] [--pass PASSWORD | --passfile FILE] [--address ADDRESS]... FILE.pcap

Shows each CARP advert of a packet capture: one line each, or one JSON object each with --json.
FILE.pcap is a pcap or pcapng file, as tcpdump and Wireshark write them; - reads standard input.

  --pass PASSWORD    the group's password (others can see it in the process list; '' is the empty one)
  --passfile FILE    a file whose first line is the password
  --address ADDRESS  a shared address of the group; repeat it for each one, in any order

An advert's digest signs the password together with all shared addresses of the group, of both families. So it is
checked only if the password and at least one address are given, and is "unchecked" otherwise.`;

const createVerifier = (password: Uint8Array | undefined, addresses: readonly IpAddress[]): Verifier => {
  if (password === undefined || addresses.length === 0) return () => 'unchecked';
  const sign = createSigner(keyOf(password));
  const authenticators = new Map<Vhid, Authenticator>();
  return (advert) => {
    const known = authenticators.get(advert.vhid) ?? authenticator({ vhid: advert.vhid, addresses }, sign);
    authenticators.set(advert.vhid, known);
    return known.verify(advert) === undefined ? 'bad' : 'ok';
  };
};

const addressesOf = (texts: readonly string[]): readonly IpAddress[] =>
  texts.map((text) => {
    const address = parseCidr(text)?.address ?? parseAddress(text);
    if (address === undefined) throw usageError('decode', `--address ${text} is no IP address`);
    return address;
  });

const passwordOf = (pass: string | undefined, passfile: string | undefined): Uint8Array | undefined => {
  if (pass !== undefined && passfile !== undefined)
    throw usageError('decode', '--pass and --passfile exclude each other');
  const given = pass === undefined ? undefined : Buffer.from(pass);
  const password = passfile === undefined ? given : readPassfile(passfile).password;
  if (password !== undefined && password.length > KEY_LENGTH)
    throw usageError(
      'decode',
      `the password has ${password.length} bytes, a key only ${KEY_LENGTH}: ifconfig and ucarp keep the first 19, so give those`,
    );
  return password;
};

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
};

/** Turns what the system says about a file into something to do. */
const fileError = (name: string, error: unknown): unknown => {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof CarpError || typeof code !== 'string') return error;
  const failure = code === 'EACCES' ? 'CARP_NO_PERMISSION' : 'CARP_FAILED';
  const remedy = `ls -l ${name} shows whether it is there and who may read it`;
  return new CarpError(failure, `cannot read ${name}: ${REASONS[code] ?? code}`, { remedy });
};

export const command: Command = {
  summary: 'show the adverts of a packet capture, with checksum and digest verdicts',
  help: HELP,
  run: async (args) => {
    const { values, positionals } = parseOptions('decode', args, {
      options: {
        json: { type: 'boolean', default: false },
        pass: { type: 'string' },
        passfile: { type: 'string' },
        address: { type: 'string', multiple: true, default: [] },
      },
      allowPositionals: true,
    });
    const [file] = positionals;
    if (file === undefined || positionals.length > 1)
      throw usageError('decode', `decode takes one file, not ${positionals.length}`);
    const verify = createVerifier(passwordOf(values.pass, values.passfile), addressesOf(values.address));
    const summary = new Summary();
    const sumUp = (): void => {
      if (!values.json) print(`${summary}`);
    };
    try {
      for await (const frame of readCapture(file, file === '-' ? process.stdin : createReadStream(file))) {
        const packet = carpPacket(frame);
        if (packet === undefined) summary.skip();
        else {
          const item = reportOf(packet, frame.at, verify);
          summary.add(item);
          if (values.json) printJson(item);
          else print(line(item));
        }
      }
    } catch (error) {
      if (!summary.isEmpty) sumUp();
      throw fileError(file, error);
    }
    sumUp();
    return Exit.done;
  },
};
