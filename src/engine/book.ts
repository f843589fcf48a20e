import type { Effect } from '../machine/effects.ts';
import type { MachineSettings } from '../machine/settings.ts';
import { initialState, type State } from '../machine/state.ts';
import { intervalMs, intervalNow, masterDownMs } from '../machine/timings.ts';
import type { Problem } from '../ports/error.ts';
import { formatCidr } from '../protocol/address.ts';
import { devdLine } from './devd.ts';
import { Hearing } from './hearing.ts';
import { machineSettings } from './machine-settings.ts';
import type { GroupSettings } from './settings.ts';
import type { CarpEvent, DemotionEntry, GroupStatus, PeerStatus, PublicRole } from './status.ts';
import type { SyncStanding } from './sync-watch.ts';
import { Tally } from './tally.ts';

/** How many transitions are remembered. */
const HISTORY_MAX = 20;

type Report = Extract<Effect, { readonly type: 'report' }>;
type Last = Pick<CarpEvent, 'previous' | 'reason' | 'detail' | 'at' | 'seq'>;

/** What a group's successor of the same name goes on from, when its settings have changed. */
export interface Past {
  readonly seq: number;
  readonly history: readonly CarpEvent[];
}

/** What is known about one group: the source of its events and of its status. */
export class Book {
  readonly tally = new Tally();
  /** Who else speaks for the group. */
  readonly hearing: Hearing;
  state: State = initialState;
  problem: Problem | undefined;

  readonly #settings: GroupSettings;
  readonly #rules: MachineSettings;
  readonly #node: string;
  readonly #wallClock: () => Date;
  #role: PublicRole = 'INIT';
  #last: Last;
  #history: readonly CarpEvent[];
  #isNew = true;

  constructor(settings: GroupSettings, node: string, wallClock: () => Date, past: Past = { seq: 0, history: [] }) {
    this.#settings = settings;
    this.#rules = machineSettings(settings);
    this.hearing = new Hearing(settings.deadratio);
    this.#node = node;
    this.#wallClock = wallClock;
    this.#last = { previous: 'INIT', reason: 'startup', detail: 'has just started', at: this.#at(), seq: past.seq };
    this.#history = past.history;
  }

  #at(): string {
    return this.#wallClock().toISOString();
  }

  /** Whether the role has never changed. */
  get isNew(): boolean {
    return this.#isNew;
  }

  get past(): Past {
    return { seq: this.#last.seq, history: this.#history };
  }

  transition({ role, previous, reason, detail }: Report): CarpEvent {
    this.#role = role;
    this.#isNew = false;
    this.#last = { previous, reason, detail, at: this.#at(), seq: this.#last.seq + 1 };
    const common = this.#common();
    const event: CarpEvent = { event: 'transition', ...common, at: this.#last.at, devd: devdLine(common) };
    this.#history = [event, ...this.#history].slice(0, HISTORY_MAX);
    return event;
  }

  snapshot(): CarpEvent {
    return { event: 'snapshot', ...this.#common(), at: this.#at() };
  }

  /** Whom the group hears. @param now - on the monotonic clock, in ms */
  peers(now: number): readonly PeerStatus[] {
    return this.hearing.peers(now, this.#wallClock().getTime());
  }

  /**
   * @param now - on the monotonic clock, in ms
   * @param ledger - what demotes the group
   */
  status(now: number, ledger: readonly DemotionEntry[]): GroupStatus {
    const { master } = this.state;
    const peers = this.peers(now);
    return {
      ...this.#common(),
      since: this.#last.at,
      intervalMs: intervalMs(this.state, this.#rules),
      masterDownMs: masterDownMs(this.state, this.#rules),
      ...(master === undefined ? {} : { lastAdvertMs: Math.round(now - master.heardAt) }),
      ...(peers.length === 0 ? {} : { peers }),
      counters: this.tally.counters,
      ledger,
      history: this.#history,
      ...(this.problem === undefined ? {} : { problem: this.problem }),
    };
  }

  syncStanding(): SyncStanding {
    const { master, sources, phase } = this.state;
    const own = master === undefined ? undefined : sources[master.source.family];
    const { interval, source } = master ?? {};
    return {
      isMaster: phase.name === 'master',
      mine: intervalNow(this.state, this.#rules),
      masterDownMs: masterDownMs(this.state, this.#rules),
      ...(interval === undefined || source === undefined
        ? {}
        : { other: own === undefined ? { interval, source } : { interval, source, own } }),
    };
  }

  #common() {
    const { name, interface: device, vhid, advbase, advskew, addresses } = this.#settings;
    const { previous, reason, detail, seq } = this.#last;
    const { master, sources, demotion, advskew: ordered = advskew } = this.state;
    const self = this.#role === 'MASTER';
    // A MASTER of both families speaks from two addresses in turn: naming the last one would be news twice an interval.
    const holders = self ? sources : master?.sources;
    const holder = holders?.[4] ?? holders?.[6] ?? (self ? undefined : master?.source);
    return {
      group: name,
      interface: device,
      vhid,
      node: this.#node,
      role: this.#role,
      previous,
      reason,
      detail,
      seq,
      ...(holder === undefined ? {} : { master: { address: holder.text, self } }),
      advbase,
      advskew: ordered,
      ...(ordered === advskew ? {} : { configuredAdvskew: advskew }),
      demotion,
      addresses: addresses.map(formatCidr),
    };
  }
}
