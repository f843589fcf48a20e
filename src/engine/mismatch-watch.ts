import { type Observable, type SchedulerLike, Subject, Subscription, take } from 'rxjs';
import type { Environment } from '../ports/environment.ts';
import type { Log } from '../ports/log.ts';
import type { Packet } from '../ports/transport.ts';
import { type IpAddress, isLinkLocal } from '../protocol/address.ts';
import { type Advert, decodeAdvert } from '../protocol/advert.ts';
import { diagnosing, type Known, type Match, type OtherGroup } from '../protocol/diagnosis.ts';
import { type Diagnosis, diagnosisOf, vrrpDiagnosis } from '../protocol/diagnosis-text.ts';
import { virtualMac } from '../protocol/mac.ts';
import { advertInterval } from '../protocol/timing.ts';
import { toExactMillis } from '../protocol/units.ts';
import { readVrrp } from '../protocol/vrrp.ts';
import type { Refusal } from './inbound.ts';
import { FINDINGS_MAX, type MismatchEvent } from './mismatch.ts';
import { MismatchRate } from './mismatch-rate.ts';
import type { Surgery } from './mismatch-surgery.ts';
import type { GroupSettings } from './settings.ts';

/** A slice of a diagnosis ends after this many digests or milliseconds, whichever comes first; then others have a turn. */
const SLICE = { digests: 32, ms: 2, restMs: 10 } as const;
/**
 * A source that has been silent for this time and three of its intervals is not wrong any more: it has gone, or it is a
 * BACKUP since it understands us, which is silent and never says that it does.
 */
const SILENCE_MS = 60_000;
const SILENCE_CHECK_MS = 10_000;
/**
 * A mistake that was found out stands while it is heard once in so many intervals of its source: whoever forges adverts
 * under that address, which is not signed, can only make what nobody understands, and would blot it out.
 */
const HEARD_INTERVALS = 3;
/** Adverts of one source that are compared with its mistake, a second. Of a flood, the others count as if they fitted. */
const COMPARED_MAX = 50;

export interface MismatchWatchOptions {
  readonly settings: GroupSettings;
  readonly node: string;
  readonly environment: Pick<Environment, 'signer' | 'interfaces' | 'scheduler' | 'wallClock'>;
  readonly surgery: Surgery;
  readonly log: Log;
}

interface Answer {
  readonly diagnosis: Diagnosis;
  /** Of two adverts, as the source says. */
  readonly intervalMs: number;
  readonly match?: Match;
}

interface Listed {
  readonly event: MismatchEvent;
  readonly match?: Match;
  /** When the source was heard last, on the monotonic clock. */
  heardAt: number;
  /** When it was heard last with the mistake that was found, as far as was looked. */
  fittedAt: number;
  /** So long after that, something else may be said of it. */
  readonly staysMs: number;
  /** Adverts that were compared within the second that began then. */
  readonly compared: { since: number; count: number };
  /** How long it may be silent. */
  readonly silenceMs: number;
  /** Whether it fell silent since it was looked at: it may have been put right, and then wrong in another way. */
  wasAway: boolean;
}

/** Finds out why adverts for one group are refused, and keeps what is found until it is over. */
export class MismatchWatch {
  readonly #options: MismatchWatchOptions;
  readonly #scheduler: SchedulerLike;
  readonly #events$ = new Subject<MismatchEvent>();
  readonly #rate = new MismatchRate();
  /** By source, at most `FINDINGS_MAX`. */
  readonly #listed = new Map<string, Listed>();
  readonly #running = new Subscription();
  #watchesSilence = false;

  constructor(options: MismatchWatchOptions) {
    this.#options = options;
    this.#scheduler = options.environment.scheduler;
  }

  /** Each finding once, and once more when it is over. Hot; completes with `close`. */
  get events$(): Observable<MismatchEvent> {
    return this.#events$;
  }

  /** What is wrong now, latest first. */
  get list(): readonly MismatchEvent[] {
    return [...this.#listed.values()].map(({ event }) => event).toReversed();
  }

  /** An advert was refused. Returns at once; what comes of it comes later. */
  refused(packet: Packet, why: Refusal): void {
    const source = packet.source.text;
    const now = this.#scheduler.now();
    const listed = this.#listed.get(source);
    const decoded = why === 'badauth' ? decodeAdvert(packet.payload, packet) : undefined;
    let fits = false;
    if (listed !== undefined) {
      listed.wasAway ||= now - listed.heardAt > listed.staysMs;
      listed.heardAt = now;
      fits = decoded?.ok === true && isStillWrong(listed, decoded.advert, now);
      if (fits) listed.fittedAt = now;
    }
    const hasChanged = (): boolean =>
      listed?.match === undefined ? listed?.wasAway === true : decoded?.ok === true && !fits;
    if (!this.#rate.allows(source, now, hasChanged)) return;
    const vrrp = readVrrp(packet.payload, packet);
    if (vrrp?.vrid === this.#options.settings.vhid && vrrp.checksum === 'ok') {
      this.#rate.look(source, now);
      this.#note(packet.source, { diagnosis: vrrpDiagnosis(vrrp, this.#patient(source)), intervalMs: vrrp.interval });
      return;
    }
    if (decoded?.ok !== true || this.#options.surgery.isBusy) return;
    this.#rate.look(source, now);
    if (listed !== undefined) listed.wasAway = false;
    if (!fits) this.#diagnose(decoded.advert, packet.source);
  }

  /** A genuine advert came from this source. */
  genuine(source: IpAddress): void {
    if (this.#listed.has(source.text)) this.#clear(source.text, 'signs as this host does now');
  }

  close(): void {
    this.#running.unsubscribe();
    this.#events$.complete();
  }

  #patient(source: string) {
    const { name, vhid } = this.#options.settings;
    return { source, group: name, vhid };
  }

  /** Works in slices: what is due meanwhile comes in time. */
  #diagnose(advert: Advert, source: IpAddress): void {
    const { environment, surgery } = this.#options;
    const work = diagnosing(advert, this.#known(source), environment.signer);
    const job = surgery.enter();
    this.#running.add(job);
    const goOn = (): void => {
      const end = this.#scheduler.now() + SLICE.ms;
      for (let digests = 0; digests < SLICE.digests && this.#scheduler.now() <= end; digests += 1) {
        const { done, value } = work.next();
        if (done !== true) continue;
        this.#running.remove(job);
        job.unsubscribe();
        const diagnosis = diagnosisOf(value?.mistakes ?? [], this.#patient(source.text));
        const intervalMs = toExactMillis(advertInterval(advert.advbase, advert.advskew));
        this.#note(source, { diagnosis, intervalMs, ...(value === undefined ? {} : { match: value }) });
        return;
      }
      job.add(this.#scheduler.schedule(goOn, SLICE.restMs));
    };
    job.add(this.#scheduler.schedule(goOn, SLICE.restMs));
  }

  #known(source: IpAddress): Known {
    const { settings, environment, surgery } = this.#options;
    const { vhid, key, lladdr } = settings;
    const others = surgery
      .othersThan(settings.name)
      .map((group): OtherGroup => ({ group: group.name, key: group.key, addresses: addressesOf(group) }));
    const own: IpAddress[] = [];
    // The present state comes first, and at once.
    environment.interfaces
      .watch(settings.interface)
      .pipe(take(1))
      .subscribe(({ addresses }) => own.push(...addresses.map(({ address }) => address)))
      .unsubscribe();
    const guesses = [source, ...settings.peers, ...own, ...others.flatMap(({ addresses }) => addresses)];
    return {
      vhid,
      addresses: addressesOf(settings),
      key,
      ...(lladdr === undefined ? {} : { mac: lladdr }),
      others,
      guesses,
      macs: [virtualMac(vhid), ...[source, ...settings.peers, ...own].flatMap(macOf)],
    };
  }

  #note(source: IpAddress, { diagnosis, match, intervalMs }: Answer): void {
    const { settings, node, environment, log } = this.#options;
    const before = this.#listed.get(source.text);
    if (before?.event.detail === diagnosis.detail) return;
    const now = this.#scheduler.now();
    const stands = before?.match !== undefined && now - before.fittedAt <= before.staysMs;
    if (stands && diagnosis.kind === 'unknown') return;
    const event: MismatchEvent = {
      event: 'auth-mismatch',
      group: settings.name,
      interface: settings.interface,
      vhid: settings.vhid,
      node,
      at: environment.wallClock().toISOString(),
      source: source.text,
      ...diagnosis,
    };
    this.#listed.delete(source.text);
    const staysMs = HEARD_INTERVALS * intervalMs;
    this.#listed.set(source.text, {
      event,
      ...(match === undefined ? {} : { match }),
      heardAt: now,
      fittedAt: now,
      staysMs,
      compared: { since: now, count: 0 },
      silenceMs: SILENCE_MS + staysMs,
      wasAway: false,
    });
    this.#makeRoom();
    log('warn', diagnosis.detail, { remedy: diagnosis.remedy });
    this.#events$.next(event);
    this.#watchSilence();
  }

  /** Whoever has no password can only forge what nobody understands: that goes first, and hides nothing that was found out. */
  #makeRoom(): void {
    if (this.#listed.size <= FINDINGS_MAX) return;
    const sources = [...this.#listed.keys()].slice(0, -1);
    const unknown = sources.find((source) => this.#listed.get(source)?.event.kind === 'unknown');
    this.#clear(unknown ?? sources[0] ?? '', 'makes room for others');
  }

  #clear(source: string, why: string): void {
    const listed = this.#listed.get(source);
    if (listed === undefined) return;
    this.#listed.delete(source);
    this.#options.log('info', `${source} ${why}`);
    const at = this.#options.environment.wallClock().toISOString();
    this.#events$.next({ ...listed.event, at, cleared: true });
  }

  /** Looks for sources that have fallen silent, as long as there are any. */
  #watchSilence(): void {
    if (this.#watchesSilence) return;
    this.#watchesSilence = true;
    const look = this.#scheduler.schedule(() => {
      this.#running.remove(look);
      this.#watchesSilence = false;
      const now = this.#scheduler.now();
      for (const [source, { heardAt, silenceMs }] of this.#listed)
        if (now - heardAt > silenceMs) this.#clear(source, `has been silent for ${Math.round(silenceMs / 1000)} s`);
      if (this.#listed.size > 0) this.#watchSilence();
    }, SILENCE_CHECK_MS);
    this.#running.add(look);
  }
}

/** Whether an advert is signed by the mistake that is known of its source; costs one digest at most. */
const isStillWrong = ({ match, compared }: Listed, advert: Advert, now: number): boolean => {
  if (match === undefined) return false;
  if (now - compared.since >= 1000) Object.assign(compared, { since: now, count: 0 });
  compared.count += 1;
  return compared.count > COMPARED_MAX || match.fits(advert);
};

const addressesOf = ({ addresses }: GroupSettings): readonly IpAddress[] => addresses.map(({ address }) => address);

/** The MAC address that an interface's automatic link-local address is made of (RFC 4291, appendix A). */
const macOf = (address: IpAddress): readonly Uint8Array[] => {
  const { bytes } = address;
  if (!isLinkLocal(address) || bytes[11] !== 0xff || bytes[12] !== 0xfe) return [];
  const [first = 0, second = 0, third = 0] = bytes.subarray(8, 11);
  return [Uint8Array.from([first ^ 0x02, second, third, ...bytes.subarray(13, 16)])];
};
