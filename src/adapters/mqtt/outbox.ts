import type { Announcement, Keeping, MessageProperties, Voice } from './part.ts';

/** How many announcements wait for a broker that is away or slow; the oldest give way. */
export const EVENTS_MAX = 1000;
/** How many that need not arrive (QoS 0) wait for their turn; the newest give way. */
const FLEETING_MAX = 1000;

/** A message on its way. */
export interface Outgoing {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
  readonly qos: 0 | 1;
  readonly once?: true;
  readonly properties?: MessageProperties;
  /** The broker drops it after this many seconds (MQTT 5). */
  readonly expirySeconds?: number;
  /** The farewell: nothing follows. */
  readonly last?: true;
}

interface Kept {
  readonly payload: string;
  readonly keeping: Keeping;
}

export interface OutboxOptions {
  /** In s; 0: nothing expires. */
  readonly expiry: number;
  /** Something is to be said. */
  readonly news: () => void;
  readonly connected: () => boolean;
  /** On the monotonic clock, in ms. */
  readonly now: () => number;
}

/**
 * What the broker has not been told yet, bounded however long it is away: of each retained topic what holds now, of
 * announcements the newest `EVENTS_MAX`.
 *
 * Retained topics leave in the order in which they were kept, and before announcements, so that whoever acts on an event
 * finds a role on the broker that is at least as new. What is kept in the background leaves last.
 */
export class Outbox implements Voice {
  readonly #options: OutboxOptions;
  /** By topic: what this host stands for. */
  readonly #kept = new Map<string, Kept>();
  /** What this connection was told, and when. */
  readonly #said = new Map<string, { readonly payload: string; readonly at: number }>();
  readonly #unsaid = new Set<string>();
  readonly #background = new Set<string>();
  readonly #clearing = new Set<string>();
  /** What is still to be said on a topic before it is cleared: `STOPPED` of a group that is removed. */
  readonly #lastWords = new Map<string, Kept>();
  #announcements: Announcement[] = [];
  readonly #fleeting: Announcement[] = [];
  #dropped = 0;
  #droppedBefore = 0;
  #farewell: Outgoing | undefined;
  #silent = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  keep = (topic: string, payload: string, keeping: Keeping = {}): void => {
    this.#clearing.delete(topic);
    this.#lastWords.delete(topic);
    this.#kept.set(topic, { payload, keeping });
    const { again = false } = keeping;
    if (!again && this.#said.get(topic)?.payload === payload) {
      // It changed, and changed back before anybody was told.
      this.#lane(keeping).delete(topic);
      return;
    }
    // What is told again takes its turn anew: role, state and master leave in this order.
    if (again) this.#lane(keeping).delete(topic);
    this.#lane(keeping).add(topic);
    this.#options.news();
  };

  clear = (topic: string): void => {
    const last = this.#unsaid.has(topic) ? (this.#kept.get(topic) ?? this.#lastWords.get(topic)) : undefined;
    this.leave(topic);
    if (last !== undefined) {
      this.#lastWords.set(topic, last);
      this.#unsaid.add(topic);
    }
    this.#clearing.add(topic);
    this.#options.news();
  };

  leave = (topic: string): void => {
    this.#kept.delete(topic);
    this.#lastWords.delete(topic);
    this.#said.delete(topic);
    this.#unsaid.delete(topic);
    this.#background.delete(topic);
  };

  kept = (): readonly string[] => [...this.#kept.keys()];

  repeat = (isMeant: (topic: string) => boolean): number => {
    const meant = [...this.#kept].filter(([topic]) => isMeant(topic));
    for (const [topic, { keeping }] of meant) this.#lane(keeping).add(topic);
    this.#options.news();
    return meant.length;
  };

  tell = (announcement: Announcement): void => {
    if (announcement.qos === 0) {
      if (!this.#options.connected() || this.#fleeting.length >= FLEETING_MAX) return;
      this.#fleeting.push(announcement);
    } else {
      this.#announcements.push(announcement);
      this.#trim();
    }
    this.#options.news();
  };

  /** How many announcements were dropped since the start. */
  dropped = (): number => this.#dropped;

  connected = (): boolean => this.#options.connected();

  /** How much waits. */
  get length(): number {
    return (
      this.#unsaid.size +
      this.#background.size +
      this.#clearing.size +
      this.#announcements.length +
      this.#fleeting.length
    );
  }

  /**
   * A new connection, or a broker that may have been told something else: everything that is kept is told anew, in the
   * order of its first keeping, whatever of it had to wait.
   */
  begin(): void {
    this.#said.clear();
    this.#unsaid.clear();
    this.#lastWords.clear();
    this.#background.clear();
    for (const [topic, { keeping }] of this.#kept) this.#lane(keeping).add(topic);
    this.#options.news();
  }

  /** What expires is told again, unless it was told less than this time ago, in ms. */
  refresh(ageMs: number): void {
    const before = this.#options.now() - ageMs;
    for (const [topic, { keeping }] of this.#kept)
      if (keeping.expires === true && (this.#said.get(topic)?.at ?? before) <= before) this.#lane(keeping).add(topic);
    this.#options.news();
  }

  /** When all else but the background has left, this leaves, and then nothing more. */
  end(topic: string, payload: string): void {
    this.#background.clear();
    this.#farewell = { topic, payload, retain: true, qos: 1, last: true };
    this.#options.news();
  }

  /** Whether all but fleeting announcements is held back: another host speaks on these topics. */
  silence(silent: boolean): void {
    this.#silent = silent;
    this.#options.news();
  }

  /** Takes out what is to be sent next. */
  next(): Outgoing | undefined {
    if (this.#silent) return this.#nextAnnouncement(this.#fleeting);
    return (
      this.#nextKept(this.#unsaid) ??
      this.#nextAnnouncement(this.#announcements) ??
      this.#nextAnnouncement(this.#fleeting) ??
      this.#nextClearing() ??
      this.#nextKept(this.#background) ??
      this.#nextFarewell()
    );
  }

  /** The connection broke before the broker had acknowledged these. What is kept is told anew by `begin` anyway. */
  putBack(unacknowledged: readonly Outgoing[]): void {
    const announcements = unacknowledged.filter(({ retain, qos, once }) => !retain && qos === 1 && once !== true);
    this.#announcements = [...announcements, ...this.#announcements];
    this.#fleeting.length = 0;
    this.#trim();
    for (const { retain, payload, topic } of unacknowledged)
      if (retain && payload === '' && !this.#kept.has(topic)) this.#clearing.add(topic);
  }

  /** How many announcements were dropped since the last time somebody asked. */
  takeDropped(): number {
    const dropped = this.#dropped - this.#droppedBefore;
    this.#droppedBefore = this.#dropped;
    return dropped;
  }

  #lane({ lane }: Keeping): Set<string> {
    return lane === 'background' ? this.#background : this.#unsaid;
  }

  #nextKept(lane: Set<string>): Outgoing | undefined {
    for (const topic of lane) {
      lane.delete(topic);
      const last = this.#lastWords.get(topic);
      const kept = this.#kept.get(topic) ?? last;
      if (kept === undefined) continue;
      const { payload, keeping } = kept;
      if (last === undefined) this.#said.set(topic, { payload, at: this.#options.now() });
      this.#lastWords.delete(topic);
      const { expiry } = this.#options;
      const expires = keeping.expires === true && expiry > 0;
      return { topic, payload, retain: true, qos: 1, ...(expires ? { expirySeconds: expiry } : {}) };
    }
    return undefined;
  }

  #nextAnnouncement(queue: Announcement[]): Outgoing | undefined {
    const first = queue.shift();
    return first === undefined ? undefined : { qos: 1, ...first, retain: false };
  }

  #nextClearing(): Outgoing | undefined {
    for (const topic of this.#clearing) {
      this.#clearing.delete(topic);
      return { topic, payload: '', retain: true, qos: 1 };
    }
    return undefined;
  }

  #nextFarewell(): Outgoing | undefined {
    const farewell = this.#farewell;
    this.#farewell = undefined;
    return farewell;
  }

  #trim(): void {
    const excess = this.#announcements.length - EVENTS_MAX;
    if (excess <= 0) return;
    this.#announcements.splice(0, excess);
    this.#dropped += excess;
  }
}
