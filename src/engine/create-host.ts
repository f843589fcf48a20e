import { interval, map, Subject, Subscription } from 'rxjs';
import { CarpError, problemOf } from '../ports/error.ts';
import type { AdvSkew } from '../protocol/units.ts';
import type { Past } from './book.ts';
import { Group } from './group.ts';
import type { EnvironmentOf, GroupProblem, HandOverReceipt, Host, HostClock, HostDemotion } from './host.ts';
import { Ledger, type Scope } from './ledger.ts';
import type { Finding } from './mismatch.ts';
import { Surgery } from './mismatch-surgery.ts';
import { HostAdverts } from './replay-host.ts';
import type { GroupSettings, HostSettings } from './settings.ts';
import type { CarpEvent, GroupPeers, HostStatus } from './status.ts';
import { yieldAfter } from './sync-watch.ts';

/** How often syncs are looked at. */
const SPLIT_CHECK_MS = 1000;
/** A split that nobody would end is not tried to end more often. */
const SPLIT_RETRY_MS = 60_000;

/** Settings that say the same are the same, whoever made the objects. */
const fingerprint = (group: GroupSettings, { startDelay, demotion }: HostSettings): string =>
  JSON.stringify([group, startDelay, demotion]);

interface Member {
  readonly group: Group;
  readonly fingerprint: string;
  readonly links: Subscription;
}

/** All groups of one node. */
class CarpHost implements Host {
  readonly node: string;
  readonly #environmentOf: EnvironmentOf;
  readonly #clock: HostClock;
  readonly #ledger: Ledger;
  readonly #adverts = new HostAdverts();
  readonly #events$ = new Subject<CarpEvent>();
  readonly #problems$ = new Subject<GroupProblem>();
  readonly #findings$ = new Subject<Finding>();
  readonly #surgery = new Surgery(() => this.#settings.groups);
  readonly #members = new Map<string, Member>();
  /** A group whose settings changed starts anew when its former self has said farewell. */
  readonly #leaving = new Map<string, Promise<void>>();
  /** Of groups that have left: their numbers go on if they come back. */
  readonly #pasts = new Map<string, Past>();
  /** Since when each sync is split, on the monotonic clock. */
  readonly #splits = new Map<string, number>();
  #watching = Subscription.EMPTY;
  #settings: HostSettings;
  #ended = false;

  constructor(settings: HostSettings, environmentOf: EnvironmentOf, clock: HostClock) {
    this.node = settings.node;
    this.#environmentOf = environmentOf;
    this.#settings = settings;
    this.#clock = clock;
    this.#ledger = new Ledger(clock.scheduler, clock.wallClock);
  }

  get events$() {
    return this.#events$;
  }

  get problems$() {
    return this.#problems$;
  }

  get findings$() {
    return this.#findings$;
  }

  #inOrder(): readonly Group[] {
    return this.#settings.groups.flatMap(({ name }) => this.#members.get(name)?.group ?? []);
  }

  status(): HostStatus {
    return { node: this.node, groups: this.#inOrder().map((group) => group.status()) };
  }

  peers(): readonly GroupPeers[] {
    return this.#inOrder().map((group) => ({ group: group.settings.name, peers: group.peers() }));
  }

  snapshots(group?: string): readonly CarpEvent[] {
    if (group === undefined) return this.#inOrder().map((one) => one.snapshot());
    const member = this.#members.get(group);
    return member === undefined ? [] : [member.group.snapshot()];
  }

  apply(settings: HostSettings): void {
    if (this.#ended) throw new CarpError('CARP_FAILED', `${this.node} has been stopped`);
    this.#settings = settings;
    const wanted = new Map(settings.groups.map((group) => [group.name, fingerprint(group, settings)]));
    for (const [name, member] of this.#members) if (wanted.get(name) !== member.fingerprint) this.#remove(name, member);
    for (const { name } of settings.groups) this.#startWhenFree(name);
    this.#watchSyncs();
  }

  #watchSyncs(): void {
    if (!this.#watching.closed) return;
    if (!this.#settings.groups.some(({ sync }) => sync !== undefined)) return;
    this.#watching = interval(SPLIT_CHECK_MS, this.#clock.scheduler).subscribe(() => this.#joinSplits());
  }

  #remove(name: string, { group, links }: Member): void {
    this.#members.delete(name);
    const left = group.stop().finally(() => {
      links.unsubscribe();
      this.#pasts.set(name, group.past);
      this.#leaving.delete(name);
      this.#startWhenFree(name);
    });
    this.#leaving.set(name, left);
  }

  /** Starts the group by its latest settings, if it is (still) wanted and nothing of that name is running. */
  #startWhenFree(name: string): void {
    const settings = this.#settings.groups.find((group) => group.name === name);
    if (settings === undefined || this.#ended || this.#members.has(name) || this.#leaving.has(name)) return;
    const { startDelay, demotion: weights } = this.#settings;
    const environment = this.#environmentOf(settings);
    const past = this.#pasts.get(name);
    const ledger = this.#ledger;
    const known = this.#adverts.of(settings, environment);
    const shared = { weights, ledger, surgery: this.#surgery };
    const group = new Group(settings, { node: this.node, startDelay, environment, ...shared, known, past });
    const links = group.events$.subscribe((event) => {
      this.#events$.next(event);
      this.#moveTogether(group, event);
    });
    links.add(group.findings$.subscribe((finding) => this.#findings$.next(finding)));
    links.add(
      group.problems$
        .pipe(map((problem): GroupProblem => (problem === undefined ? { group: name } : { group: name, problem })))
        .subscribe((problem) => this.#problems$.next(problem)),
    );
    this.#members.set(name, { group, links, fingerprint: fingerprint(settings, this.#settings) });
    group.start();
  }

  /**
   * Groups of one `sync` move together (keepalived's sync groups): when one is no longer MASTER, the others hand over. A
   * group that is restarted by new settings moves as well; at the end of the host each says its own farewell.
   */
  #moveTogether({ settings: { name, sync } }: Group, { event, previous, role }: CarpEvent): void {
    if (sync === undefined || event !== 'transition' || previous !== 'MASTER' || this.#ended) return;
    if (role === 'STOPPED' && !this.#settings.groups.some((group) => group.name === name)) return;
    this.#giveAway(sync);
  }

  #inSync(sync: string): readonly Group[] {
    return this.#inOrder().filter(({ settings }) => settings.sync === sync);
  }

  #giveAway(sync: string): void {
    for (const group of this.#inSync(sync)) {
      if (group.status().role !== 'MASTER') continue;
      group.handOver({ force: false, inSync: true }).catch((error: unknown) => {
        // It is on its way already, demoted by the same cause.
        if (error instanceof CarpError && error.code === 'CARP_NOT_MASTER') return;
        this.#clock.log('warn', `${group.settings.name} did not move with its sync group: ${problemOf(error).message}`);
      });
    }
  }

  /** Puts syncs together again that have been split for some time. */
  #joinSplits(): void {
    const now = this.#clock.scheduler.now();
    for (const sync of new Set(this.#settings.groups.flatMap((group) => group.sync ?? []))) {
      const wait = yieldAfter(this.#inSync(sync).map((group) => group.syncStanding()));
      if (wait === undefined) {
        this.#splits.delete(sync);
        continue;
      }
      const since = this.#splits.get(sync) ?? now;
      if (now - since < wait) this.#splits.set(sync, since);
      else {
        this.#clock.log(
          'warn',
          `the groups of ${sync} have been split for ${Math.round(now - since)} ms; they move together`,
        );
        // Should nobody take them, the next try is as far away as if the split had just been seen a minute from now.
        this.#splits.set(sync, now + SPLIT_RETRY_MS);
        this.#giveAway(sync);
      }
    }
  }

  demote({ group, ...demotion }: HostDemotion): void {
    this.#ledger.demote({ ...demotion, scope: this.#scopeOf(group) });
  }

  restore(reason: string, group?: string): boolean {
    return this.#ledger.restore(reason, this.#scopeOf(group));
  }

  #scopeOf(group: string | undefined): Scope {
    if (group === undefined) return { of: 'host' };
    if (!this.#settings.groups.some(({ name }) => name === group)) throw this.#noGroup(group);
    const { sync } = this.#settings.groups.find(({ name }) => name === group) ?? {};
    return sync === undefined ? { of: 'group', name: group } : { of: 'group', name: group, sync };
  }

  #noGroup(name: string): CarpError {
    return new CarpError('CARP_NO_GROUP', `${this.node} has no group ${name}`, {
      remedy: '`carp status` lists the groups',
    });
  }

  async handOver(name: string, options: { readonly force: boolean }): Promise<HandOverReceipt> {
    const member = this.#members.get(name);
    if (member === undefined) throw this.#noGroup(name);
    return member.group.handOver(options);
  }

  setAdvskew(name: string, advskew: AdvSkew | undefined): CarpEvent {
    const member = this.#members.get(name);
    if (member === undefined) throw this.#noGroup(name);
    return member.group.setAdvskew(advskew);
  }

  farewell(name: string): Promise<HandOverReceipt> | undefined {
    return this.#members.get(name)?.group.farewell();
  }

  async stop(): Promise<void> {
    this.#ended = true;
    await Promise.all([...[...this.#members.values()].map(({ group }) => group.stop()), ...this.#leaving.values()]);
    this.#complete();
  }

  crash(): void {
    this.#ended = true;
    for (const { group } of this.#members.values()) group.crash();
    this.#complete();
  }

  #complete(): void {
    this.#watching.unsubscribe();
    this.#ledger.close();
    this.#adverts.close();
    this.#events$.complete();
    this.#problems$.complete();
    this.#findings$.complete();
  }
}

/**
 * Makes a host. Its groups start with the first `apply`, so that nobody misses their first events.
 *
 * @param settings - its name counts; the groups are those of `apply`
 */
export const createHost = (settings: HostSettings, environmentOf: EnvironmentOf, clock: HostClock): Host =>
  new CarpHost(settings, environmentOf, clock);
