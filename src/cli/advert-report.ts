import type { CarpPacket } from '../engine/segment-packet.ts';
import { type Advert, hasValidChecksum, readAdvert, versionOf } from '../protocol/advert.ts';
import { ADVERT_LENGTH, CARP_TTL } from '../protocol/constants.ts';
import type { Diagnosis } from '../protocol/diagnosis-text.ts';
import { advertInterval } from '../protocol/timing.ts';
import { toExactMillis } from '../protocol/units.ts';
import type { DigestDoctor } from './doctor-digest.ts';
import { style } from './output.ts';

/** Why a receiver would refuse the packet (names of netstat -s -p carp), or why it cannot be told. */
type Problem = 'badver' | 'badlen' | 'badttl' | 'badsum' | 'badvhid' | 'badauth' | 'fragment' | 'cut';

/** One line of `--json` (DESIGN 10). What cannot be read from a packet is missing. */
export interface Report {
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
  /** Of a bad digest: what the sender signs instead. */
  readonly diagnosis?: Diagnosis;
}

/** What is to be said about an advert's digest. */
export type Verifier = (advert: Advert) => Report['digest'];

export interface Judges {
  readonly verify: Verifier;
  /** Looks for the mistake behind a bad digest. */
  readonly diagnose: DigestDoctor | undefined;
}

/** What there is to say about one packet. */
export const reportOf = (packet: CarpPacket, at: number, { verify, diagnose }: Judges): Report => {
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
  const diagnosis = digest === 'bad' ? diagnose?.(advert, packet) : undefined;
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
    ...(diagnosis === undefined ? {} : { diagnosis }),
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

/** The same for people. */
export const line = (item: Report): string => {
  const { problem, vhid, advbase, advskew, checksum } = item;
  const start = `${item.at} ${item.source} > ${item.destination} ttl ${item.ttl}`;
  const explanation = problem === undefined ? '' : (item.diagnosis?.detail ?? EXPLANATION[problem]);
  const reason = problem === undefined ? '' : `: ${style('yellow', problem)} (${explanation})`;
  if (vhid === undefined || advbase === undefined || advskew === undefined || checksum === undefined)
    return `${start}${item.version === undefined ? '' : ` version ${item.version}`}${reason}`;
  const interval = toExactMillis(advertInterval(advbase as Advert['advbase'], advskew as Advert['advskew'])) / 1000;
  const pace = isBowOut(item) ? 'bow-out' : `every ${interval.toFixed(3)} s`;
  const demotion = item.demotion === 0 ? '' : ` demotion ${item.demotion}`;
  const fields = `vhid ${vhid} advbase ${advbase} advskew ${advskew}${demotion} (${pace}) counter ${item.counter}`;
  return `${start} ${fields} ${verdict('checksum', checksum)} ${verdict('digest', item.digest)}${reason}`;
};

const count = (number: number, thing: string): string => `${number} ${thing}${number === 1 ? '' : 's'}`;

const DIAGNOSES_MAX = 8;

/** What a person wants to know after many lines. */
export class Summary {
  #adverts = 0;
  /** Of these, VRRP and what is damaged. */
  #unreadable = 0;
  #others = 0;
  readonly #speakers = new Set<string>();
  readonly #problems = new Map<Problem, number>();
  #checked = 0;
  /** By what they say; a few are enough for one who reads them. */
  readonly #diagnoses = new Map<string, Diagnosis>();

  add(item: Report): void {
    const { diagnosis } = item;
    if (diagnosis !== undefined && this.#diagnoses.size < DIAGNOSES_MAX)
      this.#diagnoses.set(diagnosis.detail, diagnosis);
    this.#adverts += 1;
    this.#speakers.add(`${item.vhid === undefined ? 'VRRP or damaged' : `vhid ${item.vhid}`} from ${item.source}`);
    if (item.vhid === undefined) this.#unreadable += 1;
    if (item.digest !== 'unchecked') this.#checked += 1;
    if (item.problem !== undefined) this.#problems.set(item.problem, (this.#problems.get(item.problem) ?? 0) + 1);
  }

  /** Nothing has been read. */
  get isEmpty(): boolean {
    return this.#adverts + this.#others === 0;
  }

  /** Why digests were bad, each once. */
  get diagnoses(): readonly Diagnosis[] {
    return [...this.#diagnoses.values()];
  }

  skip(): void {
    this.#others += 1;
  }

  toString(): string {
    const others = this.#others === 0 ? '' : `; ${count(this.#others, 'packet')} of other protocols`;
    if (this.#adverts === 0) return `no CARP adverts${others}`;
    const problems = [...this.#problems].map(([problem, times]) => `${times} ${problem}`).join(', ');
    const digests = this.#checked === 0 ? 'digests unchecked' : `${count(this.#checked, 'digest')} checked`;
    const speakers = [...this.#speakers].join(', ');
    const what =
      this.#unreadable === 0 ? count(this.#adverts, 'advert') : `${count(this.#adverts, 'packet')} of protocol 112`;
    return `${what} (${speakers}), ${digests}, ${problems === '' ? 'no problems' : problems}${others}`;
  }
}
