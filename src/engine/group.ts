import {
  distinctUntilChanged,
  EMPTY,
  filter,
  finalize,
  firstValueFrom,
  map,
  merge,
  Observable,
  ReplaySubject,
  race,
  Subject,
  Subscription,
  shareReplay,
  switchMap,
  tap,
  timer,
} from 'rxjs';
import type { MachineEvent } from '../machine/events.ts';
import { roleOf } from '../machine/state.ts';
import type { Lease, LeaseRequest } from '../ports/addresses.ts';
import type { Environment } from '../ports/environment.ts';
import { CarpError, type Problem, problemOf } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';
import type { Family } from '../protocol/address.ts';
import { authenticator } from '../protocol/authentication.ts';
import { advertInterval, masterDownTime } from '../protocol/timing.ts';
import { type AdvSkew, type Millis, millis, toMillis } from '../protocol/units.ts';
import { Book, type Past } from './book.ts';
import { Ear, type Missed } from './ear.ts';
import { GroupDemotion } from './group-demotion.ts';
import type { HandOverReceipt } from './host.ts';
import type { InboundRules } from './inbound.ts';
import { interpreter } from './interpreter.ts';
import { Lateness } from './lateness.ts';
import { leaseRequest } from './lease-request.ts';
import type { Ledger } from './ledger.ts';
import { type MachineStep, runMachine } from './loop.ts';
import { dialectOf, machineSettings } from './machine-settings.ts';
import type { Finding } from './mismatch.ts';
import { Findings } from './mismatch-findings.ts';
import type { Surgery } from './mismatch-surgery.ts';
import { type Receipt, receiptOf } from './receipt.ts';
import type { KnownAdverts } from './replay-adverts.ts';
import { sendHealth } from './send-health.ts';
import type { DemotionWeights, GroupSettings } from './settings.ts';
import { type SendAdvert, Speaker } from './speaker.ts';
import { type Standing, standings } from './standing.ts';
import type { CarpEvent, GroupStatus, PeerStatus } from './status.ts';
import type { SyncStanding } from './sync-watch.ts';
import type { Wire } from './wire.ts';

/** Longer than any farewell takes; a stop that has not ended by then is cut off. */
const STOP_MS_MAX = 1400;

export interface GroupContext {
  readonly node: string;
  readonly startDelay: Millis;
  readonly environment: Environment;
  readonly weights: DemotionWeights;
  readonly ledger: Ledger;
  /** What is known of adverts on this interface and virtual host. */
  readonly known: KnownAdverts;
  readonly surgery: Surgery;
  /** Of the group that this one replaces, because its settings changed. */
  readonly past?: Past | undefined;
}

/** What is news although the role stays: another MASTER, another rank by an operator, another demotion. */
const KNOWN: readonly ((event: CarpEvent) => string | number | undefined)[] = [
  ({ master }) => master?.address,
  ({ advskew }) => advskew,
  ({ demotion }) => demotion,
];

/**
 * One virtual host in action: it joins the pure machine to its wire, its addresses and its timers. It runs from
 * `start` until `stop` or `crash`; it never throws into its maker, and never ends by itself.
 */
export class Group {
  readonly settings: GroupSettings;
  readonly #context: GroupContext;
  readonly #book: Book;
  readonly #log: Log;
  readonly #events$ = new Subject<CarpEvent>();
  readonly #problems$ = new ReplaySubject<Problem | undefined>(1);
  readonly #commands$ = new Subject<MachineEvent>();
  readonly #receipts$ = new Subject<Receipt>();
  /** Whether each advert could be sent. */
  readonly #sent$ = new Subject<boolean>();
  readonly #demotion: GroupDemotion;
  readonly #speaker: Speaker;
  readonly #ear: Ear;
  readonly #findings: Findings;
  readonly #lateness = new Lateness();
  readonly #running = new Subscription();
  #wire: Wire | undefined;
  #lease: Lease | undefined;
  /** Why the group cannot take part now. */
  #obstacle: string | undefined;

  constructor(settings: GroupSettings, context: GroupContext) {
    const { environment, node, known } = context;
    this.settings = settings;
    this.#context = context;
    this.#log = (level, message, fields) => environment.log(level, message, { node, group: settings.name, ...fields });
    this.#book = new Book(settings, node, environment.wallClock, context.past);
    const { weights, ledger } = context;
    const { scheduler } = environment;
    this.#demotion = new GroupDemotion({ settings, weights, ledger, scheduler, canTake: () => this.#canTake() });
    const { vhid, checkTtl, lladdr: mac } = settings;
    const addresses = settings.addresses.map(({ address }) => address);
    const list = { vhid, addresses, ...(mac === undefined ? {} : { mac }) };
    const authentic = authenticator(list, environment.signer(settings.key));
    this.#speaker = new Speaker({ vhid, authenticator: authentic, dialect: dialectOf(settings), known });
    const isOwn: InboundRules['isOwn'] = ({ counter }) => known.isOwn(counter);
    const { advbase, advskew, deadratio, replay } = settings;
    const ownSkew = () => this.#book.state.advskew ?? advskew;
    const isFresh: InboundRules['isFresh'] = ({ counter, ...theirs }, source) => {
      const interval = toMillis(advertInterval(theirs.advbase, theirs.advskew));
      const silence = toMillis(masterDownTime(advbase, ownSkew(), deadratio));
      return known.isFresh({ counter, source: source.text, at: this.#now(), interval }, replay, silence);
    };
    const ownSource = (family: Family) => this.#book.state.sources[family];
    const { surgery } = context;
    this.#findings = new Findings({ settings, node, environment, surgery, log: this.#log, ownSource, ownSkew });
    this.#ear = new Ear(
      { vhid, checkTtl, authenticator: authentic, isOwn, isFresh },
      this.#book.tally,
      this.#log,
      this.#findings,
    );
  }

  /** Called once, when whoever wants to hear of the first transitions has subscribed. */
  start(): void {
    const { scheduler } = this.#context.environment;
    this.#running.add(
      sendHealth(this.#sent$, () => this.#canSend(), scheduler).subscribe((healthy) => {
        this.#log(healthy ? 'info' : 'error', healthy ? 'can send again' : 'cannot send, and is demoted');
        this.#demotion.sending(healthy);
      }),
    );
    this.#running.add(
      this.#run()
        .pipe(finalize(() => this.#end()))
        .subscribe({ next: (step) => this.#keep(step), complete: () => this.#running.unsubscribe() }),
    );
  }

  /** Transitions, and a snapshot when the MASTER, the advskew or the demotion is another one; from now on. Completes at the end. */
  get events$(): Observable<CarpEvent> {
    return this.#events$;
  }

  /** What is found out about peers, from now on. Completes at the end. */
  get findings$(): Observable<Finding> {
    return this.#findings.events$;
  }

  /** What keeps the group from working: the present state first, if there has been any. Completes at the end. */
  get problems$(): Observable<Problem | undefined> {
    return this.#problems$;
  }

  #now(): Millis {
    return millis(this.#context.environment.scheduler.now());
  }

  #run(): Observable<MachineStep> {
    const { settings } = this;
    const { environment, startDelay, ledger } = this.#context;
    const request = leaseRequest(settings);
    const standing$ = standings(settings, request, environment, startDelay).pipe(
      tap((standing) => this.#stand(standing)),
      shareReplay({ bufferSize: 1, refCount: true }),
    );
    const adverts$ = standing$.pipe(
      map(({ wire }) => wire),
      distinctUntilChanged(),
      switchMap((wire) => wire?.packets$ ?? EMPTY),
      map((packet) => this.#ear.hear(packet)),
      filter((advert) => advert !== undefined),
      map((advert): MachineEvent => {
        const at = this.#now();
        this.#book.hearing.heard(advert, at);
        return { type: 'advertReceived', advert, at };
      }),
    );
    const readiness$ = standing$.pipe(map((standing) => this.#readiness(standing, request)));
    const demotion$ = ledger
      .sums(settings)
      .pipe(map((sum): MachineEvent => ({ type: 'demotionChanged', ...sum, at: this.#now() })));
    const inputs$ = merge(this.#commands$, demotion$, adverts$, readiness$);
    const carryOut = interpreter({
      lease: request === undefined ? undefined : { addresses: environment.addresses, request },
      holds: (lease) => {
        this.#lease = lease;
      },
      trouble: (problem) => this.#trouble(problem),
      announce: request === undefined ? undefined : () => this.#announce(),
      announceRefresh: settings.announceRefresh,
      speak: (effect) => this.#speak(effect),
      drain: () => this.#drain(),
      scheduler: environment.scheduler,
      log: this.#log,
    });
    return runMachine(inputs$, machineSettings(settings), carryOut);
  }

  #readiness(standing: Standing, request: LeaseRequest | undefined): MachineEvent {
    const at = this.#now();
    this.#demotion.link(!standing.ready);
    if (!standing.ready) return { type: 'becameUnready', reason: 'link-down', detail: standing.detail, at };
    const { sources } = standing;
    if (!this.#book.isNew) return { type: 'becameReady', sources, reason: 'link-up', inherits: false, at };
    const inherits = request !== undefined && this.#context.environment.addresses.inherits(request);
    return { type: 'becameReady', sources, reason: 'startup', inherits, at };
  }

  #canTake(): boolean {
    const request = leaseRequest(this.settings);
    try {
      if (request !== undefined) this.#context.environment.addresses.check(request);
      return true;
    } catch {
      return false;
    }
  }

  /** Sends something that is no advert: an announcement of this host's own address. */
  #canSend(): boolean {
    const { sources, phase } = this.#book.state;
    const own = Object.values(sources);
    if (phase.name === 'init' || own.length === 0) return false;
    try {
      this.#context.environment.announcer.announce(this.settings.interface, own);
      return true;
    } catch {
      return false;
    }
  }

  #stand(standing: Standing): void {
    if (standing.wire !== this.#wire) this.#ear.forget();
    this.#wire = standing.wire;
    this.#trouble(standing.ready ? undefined : standing.problem);
    this.#obstacle = standing.ready ? undefined : standing.detail;
    // In INIT there is no transition that would tell it, and a problem has been told.
    const { phase } = this.#book.state;
    if (!standing.ready && standing.problem === undefined && phase.name === 'init')
      this.#log('warn', `cannot take part yet: ${standing.detail}`);
  }

  #trouble(problem: Problem | undefined): void {
    const known = this.#book.problem;
    if (problem?.code === known?.code && problem?.message === known?.message) return;
    this.#book.problem = problem;
    this.#problems$.next(problem);
    if (problem !== undefined) this.#log('error', problem.message, { remedy: problem.remedy });
  }

  #speak(effect: SendAdvert): void {
    if (this.#wire === undefined) return;
    const { tally, state } = this.#book;
    const { sent, failures } = this.#speaker.speak(effect, this.#wire, state.sources);
    tally.count('sent', sent);
    if (effect.due !== undefined && sent > 0) this.#lateness.count(this.#now() - effect.due);
    this.#sent$.next(failures.length === 0);
    for (const { family, message } of failures)
      if (tally.count('sendErrors')) this.#log('warn', `cannot send over IPv${family}: ${message}`);
  }

  #drain(): Missed {
    this.#wire?.drain();
    return this.#ear.missed(this.#wire?.dropped() ?? 0);
  }

  #announce(): void {
    const { interface: device, addresses } = this.settings;
    try {
      const shared = addresses.map(({ address }) => address);
      this.#context.environment.announcer.announce(device, shared);
    } catch (error) {
      this.#log('warn', `cannot announce the addresses: ${problemOf(error).message}`);
    }
  }

  #keep({ event, state, effects }: MachineStep): void {
    if (event.type === 'addressesTaken') this.#demotion.addresses(true);
    if (event.type === 'addressesFailed' || event.type === 'addressesLost') this.#demotion.addresses(false);
    const before = this.#book.snapshot();
    this.#book.state = state;
    for (const effect of effects) {
      if (effect.type === 'report') {
        const { previous, role, reason, detail } = effect;
        this.#log('info', `${previous} -> ${role} (${reason}): ${detail}`);
        this.#book.hearing.reigns(role === 'MASTER' ? event.at : undefined);
        this.#events$.next(this.#book.transition(effect));
      }
      if (effect.type === 'handedOver' || effect.type === 'nobodyTookOver') this.#receipts$.next(effect);
    }
    if (effects.some(({ type }) => type === 'report')) return;
    const now = this.#book.snapshot();
    // Nothing has happened here; but who shows a group must not show what is not so any more.
    if (KNOWN.some((known) => known(now) !== known(before))) this.#events$.next(now);
  }

  /** What a group of the same name and other settings goes on from. */
  get past(): Past {
    return this.#book.past;
  }

  syncStanding(): SyncStanding {
    return this.#book.syncStanding();
  }

  snapshot(): CarpEvent {
    return this.#book.snapshot();
  }

  peers(): readonly PeerStatus[] {
    return this.#book.peers(this.#now());
  }

  status(): GroupStatus {
    const known = this.#book.status(this.#now(), this.#context.ledger.entriesOf(this.settings));
    const now = known.role === 'INIT' && this.#obstacle !== undefined ? { detail: this.#obstacle } : {};
    const { report } = this.#lateness;
    const lateness = report.count === 0 ? {} : { advertLateness: report };
    const status = { ...known, ...now, ...lateness, ...this.#findings.status() };
    const lease = leaseRequest(this.settings);
    if (lease === undefined || status.role !== 'MASTER') return status;
    const age = this.#lease?.ageMs?.();
    return { ...status, leaseSeconds: lease.seconds, ...(age === undefined ? {} : { leaseAgeMs: Math.round(age) }) };
  }

  /** @throws (rejects) CarpError CARP_NOT_MASTER, CARP_NOBODY */
  async handOver({ force, inSync }: { readonly force: boolean; readonly inSync?: true }): Promise<HandOverReceipt> {
    const { name } = this.settings;
    const { phase } = this.#book.state;
    if (phase.name !== 'master')
      throw new CarpError(
        'CARP_NOT_MASTER',
        phase.name === 'bowing-out'
          ? `${name} is being handed over already`
          : `${name} is ${roleOf(this.#book.state)} here, and only a MASTER can hand over`,
        { remedy: 'do that on the host that is MASTER: `carp status` names it' },
      );
    const receipt = receiptOf(name, this.#receipts$);
    const why = inSync === undefined ? {} : { inSync };
    this.#commands$.next({ type: 'handOverRequested', force, ...why, at: this.#now() });
    return receipt;
  }

  /** Another rank from now on; `undefined`: that of the settings. */
  setAdvskew(advskew: AdvSkew | undefined): CarpEvent {
    this.#commands$.next({ type: 'advskewChanged', advskew, at: this.#now() });
    return this.#book.snapshot();
  }

  /** How the farewell ends that is under way now, whoever asked for it. @throws (rejects) CarpError CARP_NOBODY */
  farewell(): Promise<HandOverReceipt> | undefined {
    return this.#book.state.phase.name === 'bowing-out' ? receiptOf(this.settings.name, this.#receipts$) : undefined;
  }

  /** Bows out, releases, ends. */
  async stop(): Promise<void> {
    if (this.#running.closed) return;
    const ended$ = new Observable<void>((subscriber) => {
      this.#running.add(() => subscriber.next());
    });
    // `race` ends the loser: a timer left behind would keep the process alive.
    const done = firstValueFrom(race(ended$, timer(STOP_MS_MAX, this.#context.environment.scheduler)));
    this.#commands$.next({ type: 'stopRequested', at: this.#now() });
    await done;
    this.#running.unsubscribe();
  }

  /** Ends at once, silently. */
  crash(): void {
    this.#running.unsubscribe();
  }

  #end(): void {
    this.#demotion.clear();
    this.#findings.close();
    this.#events$.complete();
    this.#problems$.complete();
    this.#receipts$.complete();
  }
}
