/** A LAN in virtual time: machines and models of other systems, latency, loss, partitions and pauses, all from a seed. */
import type { HeardAdvert } from '../../src/machine/events.ts';
import { type Random, randomFrom } from './random.ts';

/** An advert on its way, with the right password: what machines judge, and what is looked at before they do. */
export interface LanAdvert extends HeardAdvert {
  /** 64 bits. OpenBSD and whoever guards against replays look at it. */
  readonly counter: bigint;
  /** Whether the checksum counts the IPv6 pseudo-header in, as only NetBSD does it (protocol.md 1.4). */
  readonly pseudoHeader: boolean;
}

/** Whoever takes part in a LAN. It acts only when it hears something or when what it scheduled comes due. */
export interface LanHost {
  readonly name: string;
  /** Whether it holds the shared addresses right now. */
  readonly holds: () => boolean;
  readonly hear: (advert: LanAdvert) => void;
  /** Its cable was pulled or plugged in. */
  readonly carrier?: (up: boolean) => void;
  /** The process goes on after a pause of so many milliseconds; what came due meanwhile is still to be done. */
  readonly resumed?: (pausedMs: number) => void;
}

interface Task {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** A binary heap of tasks: the earliest first, and among equals the one that was added first. */
class Agenda {
  readonly #tasks: Task[] = [];
  #order = 0;

  static #before = (a: Task | undefined, b: Task | undefined): boolean =>
    a !== undefined && b !== undefined && (a.at < b.at || (a.at === b.at && a.order < b.order));

  #swap(i: number, j: number): void {
    const [a, b] = [this.#tasks[i], this.#tasks[j]];
    if (a === undefined || b === undefined) return;
    this.#tasks[i] = b;
    this.#tasks[j] = a;
  }

  add(at: number, run: () => void): void {
    let i = this.#tasks.push({ at, order: this.#order++, run }) - 1;
    for (
      let parent = (i - 1) >> 1;
      i > 0 && Agenda.#before(this.#tasks[i], this.#tasks[parent]);
      parent = (i - 1) >> 1
    ) {
      this.#swap(i, parent);
      i = parent;
    }
  }

  /** The next task that is due at `until` or before. */
  take(until: number): Task | undefined {
    const [first] = this.#tasks;
    if (first === undefined || first.at > until) return undefined;
    const last = this.#tasks.pop();
    if (last !== undefined && this.#tasks.length > 0) this.#tasks[0] = last;
    for (let i = 0; ; ) {
      const [left, right] = [2 * i + 1, 2 * i + 2];
      const least = Agenda.#before(this.#tasks[right], this.#tasks[left]) ? right : left;
      if (!Agenda.#before(this.#tasks[least], this.#tasks[i])) return first;
      this.#swap(i, least);
      i = least;
    }
  }
}

interface Seat {
  readonly host: LanHost;
  /** Packets that have arrived and were not read yet. */
  readonly inbox: LanAdvert[];
  /** What came due during a pause. */
  readonly overdue: (() => void)[];
  pausedAt: number | undefined;
  crashed: boolean;
  plugged: boolean;
}

export class Lan {
  readonly random: Random;
  /** Milliseconds; adverts need between these to arrive. */
  latency: readonly [number, number] = [0.1, 0.6];
  /** Probability that one receiver misses one advert. */
  loss = 0;
  /** Whether an advert gets from one host to another. */
  reaches: (from: LanHost, to: LanHost, advert: LanAdvert) => boolean = () => true;
  now = 0;
  readonly #agenda = new Agenda();
  readonly #seats = new Map<LanHost, Seat>();

  constructor(seed: number) {
    this.random = randomFrom(seed);
  }

  /** For counters: any 64 bits. */
  random64(): bigint {
    return (BigInt(this.random.whole(0, 0xffff_ffff)) << 32n) | BigInt(this.random.whole(0, 0xffff_ffff));
  }

  get hosts(): readonly LanHost[] {
    return [...this.#seats.values()].filter(({ crashed }) => !crashed).map(({ host }) => host);
  }

  holders(): readonly LanHost[] {
    const holders: LanHost[] = [];
    // After each of millions of steps somebody asks for them.
    for (const { host, crashed } of this.#seats.values()) if (!crashed && host.holds()) holders.push(host);
    return holders;
  }

  join(host: LanHost): void {
    this.#seats.set(host, { host, inbox: [], overdue: [], pausedAt: undefined, crashed: false, plugged: true });
  }

  /** Does something at a point in time, whoever sleeps. */
  at(at: number, run: () => void): void {
    this.#agenda.add(Math.max(at, this.now), run);
  }

  /** Lets a host do something; if it is paused then, as soon as it goes on. Returns what calls it off. */
  schedule(host: LanHost, at: number, run: () => void): () => void {
    let cancelled = false;
    const due = (): void => {
      const seat = this.#seats.get(host);
      if (cancelled || seat === undefined || seat.crashed) return;
      if (seat.pausedAt === undefined) run();
      else seat.overdue.push(due);
    };
    this.at(at, due);
    return () => {
      cancelled = true;
    };
  }

  send(from: LanHost, advert: LanAdvert): void {
    const sender = this.#seats.get(from);
    if (sender === undefined || sender.crashed || !sender.plugged) return;
    for (const seat of this.#seats.values()) {
      if (seat.crashed || seat.host === from || !this.reaches(from, seat.host, advert)) continue;
      if (this.random.chance(this.loss)) continue;
      this.at(this.now + this.random.between(...this.latency), () => {
        if (seat.crashed || !seat.plugged) return;
        seat.inbox.push(advert);
        if (seat.pausedAt === undefined) this.read(seat.host);
      });
    }
  }

  /** Delivers what has arrived. */
  read(host: LanHost): void {
    const seat = this.#seats.get(host);
    for (let advert = seat?.inbox.shift(); advert !== undefined; advert = seat?.inbox.shift()) host.hear(advert);
  }

  /** How long a host has been paused until now, in ms; 0 if it runs. */
  pausedFor(host: LanHost): number {
    return this.now - (this.#seats.get(host)?.pausedAt ?? this.now);
  }

  /** Stops a process for a while (SIGSTOP, a blocked event loop): neither its timers nor its packets are served. */
  pause(host: LanHost, forMs: number): void {
    const seat = this.#seats.get(host);
    if (seat === undefined || seat.crashed || seat.pausedAt !== undefined) return;
    seat.pausedAt = this.now;
    this.at(this.now + forMs, () => {
      seat.pausedAt = undefined;
      if (seat.crashed) return;
      const timers = (): void => {
        for (const due of seat.overdue.splice(0)) due();
      };
      const packets = (): void => this.read(host);
      // An event loop may serve either first.
      for (const serve of this.random.chance(0.5) ? [timers, packets] : [packets, timers]) serve();
      host.resumed?.(forMs);
    });
  }

  /** Pulls or plugs in the cable of one host, which is told. */
  plug(host: LanHost, up: boolean): void {
    const seat = this.#seats.get(host);
    if (seat === undefined || seat.crashed || seat.plugged === up) return;
    seat.plugged = up;
    host.carrier?.(up);
  }

  /** Power cut: it says nothing and holds nothing any more. */
  crash(host: LanHost): void {
    const seat = this.#seats.get(host);
    if (seat !== undefined) seat.crashed = true;
  }

  /** Runs everything that is due until then. `watch` looks after each task. */
  run(until: number, watch: () => void = () => {}): void {
    for (let task = this.#agenda.take(until); task !== undefined; task = this.#agenda.take(until)) {
      this.now = task.at;
      task.run();
      watch();
    }
    this.now = until;
  }
}
