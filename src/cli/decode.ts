import { createReadStream } from 'node:fs';
import { createSigner } from '../adapters/node/hmac.ts';
import { readPassfile } from '../config/password.ts';
import { CarpError } from '../ports/error.ts';
import { type IpAddress, parseAddress, parseCidr } from '../protocol/address.ts';
import { type Advert, hasValidChecksum, readAdvert, versionOf } from '../protocol/advert.ts';
import { type Authenticator, authenticator, keyOf } from '../protocol/authentication.ts';
import { ADVERT_LENGTH, CARP_TTL, KEY_LENGTH } from '../protocol/constants.ts';
import { advertInterval } from '../protocol/timing.ts';
import { toExactMillis, type Vhid } from '../protocol/units.ts';
import { type CarpPacket, carpPacket } from './ip-packet.ts';
import { type Command, Exit, parseOptions, usageError } from './options.ts';
import { print, printJson, style } from './output.ts';
import { readPcap } from './pcap.ts';

const HELP = `Usage: carp decode [--json] [--pass PASSWORD | --passfile FILE] [--address ADDRESS]... FILE.pcap

Shows each CARP advert of a packet capture: one line each, or one JSON object each with --json.
FILE.pcap is a classic pcap file, as tcpdump writes it; - reads standard input.

  --pass PASSWORD    the group's password (others can see it in the process list; '' is the empty one)
  --passfile FILE    a file whose first line is the password
  --address ADDRESS  a shared address of the group; repeat it for each one, in any order

An advert's digest signs the password together with all shared addresses of the group, of both families. So it is
checked only if the password and at least one address are given, and is "unchecked" otherwise.`;

/** Why a receiver would refuse the packet (names of netstat -s -p carp), or why it cannot be told. */
type Problem = 'badver' | 'badlen' | 'badttl' | 'badsum' | 'badvhid' | 'badauth' | 'fragment' | 'cut';

/** One line of `--json` (DESIGN 10). What cannot be read from a packet is missing. */
interface Report {
  readonly at: string;
  readonly source: string;
  readonly destination: string;
  readonly ttl: number;
  readonly version?: number;
  readonly vhid?: number;
  readonly advbase?: number;
  readonly advskew?: number;
  readonly demotion?: number;
  /** 16 hexadecimal digits. */
  readonly counter?: string;
  readonly checksum?: 'ok' | 'bad';
  readonly digest: 'ok' | 'bad' | 'unchecked';
  readonly problem?: Problem;
}

type Verifier = (advert: Advert) => 'ok' | 'bad' | 'unchecked';

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

const report = (packet: CarpPacket, at: number, verify: Verifier): Report => {
  const { payload, state, ttl } = packet;
  const version = versionOf(payload);
  const envelope = {
    at: new Date(at).toISOString(),
    source: packet.source.text,
    destination: packet.destination.text,
    ttl,
    ...(version === undefined || state === 'fragment' ? {} : { version }),
  };
  const unreadable = (problem: Problem): Report => ({ ...envelope, digest: 'unchecked', problem });
  if (state === 'fragment') return unreadable('fragment');
  // VRRP shares the protocol number. Its version 3 is told by the version, its version 2 by being shorter than CARP.
  if (version !== undefined && version !== 2) return unreadable('badver');
  if (payload.length < ADVERT_LENGTH) return unreadable(state === 'cut' ? 'cut' : 'badlen');
  const advert = readAdvert(payload);
  const checksum = hasValidChecksum(payload, packet) ? 'ok' : 'bad';
  const digest = verify(advert);
  const problems: readonly (Problem | false)[] = [
    ttl !== CARP_TTL && 'badttl',
    checksum === 'bad' && 'badsum',
    advert.vhid === 0 && 'badvhid',
    digest === 'bad' && 'badauth',
  ];
  const problem = problems.find((found) => found !== false);
  return {
    ...envelope,
    vhid: advert.vhid,
    advbase: advert.advbase,
    advskew: advert.advskew,
    demotion: advert.demotion,
    counter: advert.counter.toString(16).padStart(16, '0'),
    checksum,
    digest,
    ...(problem ? { problem } : {}),
  };
};

const EXPLANATION: Readonly<Record<Problem, string>> = {
  badver: 'not CARP, whose version is 2',
  badlen: `shorter than the ${ADVERT_LENGTH} bytes of CARP: VRRP version 2?`,
  badttl: 'the TTL is not 255: it crossed a router',
  badsum: 'altered on its way, or another protocol',
  badvhid: 'vhid 0 belongs to nobody',
  badauth: 'another password, other addresses, or altered',
  fragment: 'only a fragment of a packet',
  cut: 'the capture kept only its beginning: capture with tcpdump -s 0',
};

const verdict = (name: string, value: string): string =>
  `${name} ${value === 'bad' ? style('red', value) : value === 'ok' ? style('green', value) : value}`;

const isBowOut = ({ advbase, advskew }: Report): boolean => advbase === 255 && advskew === 255;

const line = (item: Report): string => {
  const { problem, vhid, advbase, advskew, checksum } = item;
  const start = `${item.at} ${item.source} > ${item.destination} ttl ${item.ttl}`;
  const reason = problem === undefined ? '' : `: ${style('yellow', problem)} (${EXPLANATION[problem]})`;
  if (vhid === undefined || advbase === undefined || advskew === undefined || checksum === undefined)
    return `${start}${item.version === undefined ? '' : ` version ${item.version}`}${reason}`;
  const interval = toExactMillis(advertInterval(advbase as Advert['advbase'], advskew as Advert['advskew'])) / 1000;
  const pace = isBowOut(item) ? 'bow-out' : `every ${interval.toFixed(3)} s`;
  const demotion = item.demotion === 0 ? '' : ` demotion ${item.demotion}`;
  const fields = `vhid ${vhid} advbase ${advbase} advskew ${advskew}${demotion} (${pace}) counter ${item.counter}`;
  return `${start} ${fields} ${verdict('checksum', checksum)} ${verdict('digest', item.digest)}${reason}`;
};

const count = (number: number, thing: string): string => `${number} ${thing}${number === 1 ? '' : 's'}`;

/** What a person wants to know after many lines. */
class Summary {
  #adverts = 0;
  #others = 0;
  readonly #speakers = new Set<string>();
  readonly #problems = new Map<Problem, number>();
  #checked = 0;

  add(item: Report): void {
    this.#adverts += 1;
    this.#speakers.add(`vhid ${item.vhid ?? '?'} from ${item.source}`);
    if (item.digest !== 'unchecked') this.#checked += 1;
    if (item.problem !== undefined) this.#problems.set(item.problem, (this.#problems.get(item.problem) ?? 0) + 1);
  }

  skip(): void {
    this.#others += 1;
  }

  toString(): string {
    const others = this.#others === 0 ? '' : `; ${count(this.#others, 'packet')} of other protocols`;
    if (this.#adverts === 0) return `no CARP adverts${others}`;
    const problems = [...this.#problems].map(([problem, times]) => `${times} ${problem}`).join(', ');
    const digests = this.#checked === 0 ? 'digests unchecked' : `${count(this.#checked, 'digest')} checked`;
    const speakers = [...this.#speakers].sort().join(', ');
    return `${count(this.#adverts, 'advert')} (${speakers}), ${digests}, ${problems === '' ? 'no problems' : problems}${others}`;
  }
}

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

/** Turns what the system says about a file into something to do. */
const fileError = (name: string, error: unknown): unknown => {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof CarpError || typeof code !== 'string') return error;
  return new CarpError(code === 'EACCES' ? 'CARP_NO_PERMISSION' : 'CARP_FAILED', `cannot read ${name}: ${code}`, {
    remedy: `look at it with: ls -l ${name}`,
  });
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
    try {
      for await (const frame of readPcap(file, file === '-' ? process.stdin : createReadStream(file))) {
        const packet = carpPacket(frame);
        if (packet === undefined) summary.skip();
        else {
          const item = report(packet, frame.at, verify);
          summary.add(item);
          if (values.json) printJson(item);
          else print(line(item));
        }
      }
    } catch (error) {
      throw fileError(file, error);
    }
    if (!values.json) print(`${summary}`);
    return Exit.done;
  },
};
