import { isDeepStrictEqual } from 'node:util';
import type { NodeInfo, PeerReport } from '../payloads.ts';
import { type Place, placeOf } from '../topics.ts';
import {
  type HeardAlarmReport,
  type HeardState,
  type NodeStatus,
  type Read,
  readAdvskew,
  readAlarm,
  readInfo,
  readMaster,
  readMode,
  readPeer,
  readRole,
  readState,
  readStats,
  readStatus,
  readVip,
} from './bus-payloads.ts';
import {
  addressSlot,
  foundOrMade,
  type Group,
  type Node,
  newGroup,
  newMember,
  newNode,
  placesOfGroup,
  placesOfMember,
  placesOfNode,
  type Slot,
  slotOf,
} from './bus-view-slots.ts';
import {
  BUS_BOUNDS,
  type BusChange,
  type BusCounts,
  type BusGroupView,
  type BusMessage,
  type BusNode,
} from './bus-view-types.ts';

/** What each topic says. `event` is missing: it tells what happened, not what is. */
const READERS: Readonly<Record<Exclude<Place['leaf'], 'event'>, Read<unknown>>> = {
  status: readStatus,
  info: readInfo,
  master: readMaster,
  alarm: readAlarm,
  role: readRole,
  state: readState,
  mode: readMode,
  advskew: readAdvskew,
  stats: readStats,
  vip: readVip,
  peers: readPeer,
};

/**
 * What all hosts say on the bus, put together from their retained topics.
 *
 * Nothing of it is believed: it is what was said, where, and when it was heard. Payloads that are none are as if they
 * had never come. The number of things has bounds, and so has the memory that they take, because whoever may publish
 * may publish anything.
 */
export class BusView {
  readonly #base: string;
  readonly #nodes = new Map<string, Node>();
  readonly #groups = new Map<string, Group>();
  readonly #counts = { ignored: 0, invalid: 0, refused: 0 };
  #bytes = 0;
  /** Before this, nothing expires. */
  #nextEnd = Number.POSITIVE_INFINITY;

  /** @param base - first levels of all topics, as in `mqtt.base` */
  constructor(base: string) {
    this.#base = base;
  }

  get nodes(): ReadonlyMap<string, BusNode> {
    return this.#nodes;
  }

  get groups(): ReadonlyMap<string, BusGroupView> {
    return this.#groups;
  }

  get counts(): BusCounts {
    return { ...this.#counts };
  }

  /** `unknown`: it has not said it. */
  statusOf(node: string): NodeStatus | 'unknown' {
    return this.#nodes.get(node)?.status?.value ?? 'unknown';
  }

  /**
   * Takes in a message. Never throws.
   * @param now - in ms, always of the same clock
   * @returns what it did; undefined if it was without effect
   */
  apply(message: BusMessage, now: number): BusChange | undefined {
    const place = placeOf(this.#base, message.topic);
    if (place === undefined || place.leaf === 'event' || !isNamed(place)) return this.#drop('ignored');
    if (message.payload.length === 0) return this.#remove(place) ? { place, type: 'removed' } : undefined;
    if (message.payload.length > BUS_BOUNDS.payloadBytes) return this.#drop('refused');
    const value = READERS[place.leaf](message.payload);
    if (value === undefined || !isAtHome(place, value)) return this.#drop('invalid');
    return this.#keep(place, value, message, now);
  }

  /**
   * Forgets what the broker has dropped by now, by the message expiry of MQTT 5: it does not tell its subscribers.
   * Cheap, while nothing has come to its end.
   */
  expire(now: number): readonly BusChange[] {
    if (now < this.#nextEnd) return [];
    this.#nextEnd = Number.POSITIVE_INFINITY;
    const over = this.#places().filter((place) => {
      const endsAt = this.#slot(place)?.get()?.endsAt ?? Number.POSITIVE_INFINITY;
      if (endsAt > now) this.#nextEnd = Math.min(this.#nextEnd, endsAt);
      return endsAt <= now;
    });
    for (const place of over) this.#remove(place);
    return over.map((place) => ({ place, type: 'removed' }));
  }

  /** Forgets everything. For a new connection: what is still there is told anew, and what has gone meanwhile is not. */
  clear(): void {
    this.#nodes.clear();
    this.#groups.clear();
    this.#bytes = 0;
    this.#nextEnd = Number.POSITIVE_INFINITY;
  }

  #drop(why: keyof BusCounts): undefined {
    this.#counts[why] += 1;
    return undefined;
  }

  #keep(
    place: Place,
    value: unknown,
    { payload, retain, expiresInMs }: BusMessage,
    now: number,
  ): BusChange | undefined {
    const slot = this.#slot(place, true);
    const before = slot?.get();
    const bytes = this.#bytes - (before?.bytes ?? 0) + payload.length;
    if (slot === undefined || bytes > BUS_BOUNDS.totalBytes) {
      this.#tidy(place);
      return this.#drop('refused');
    }
    this.#bytes = bytes;
    const ends = expiresInMs === undefined ? {} : { endsAt: now + expiresInMs };
    this.#nextEnd = Math.min(this.#nextEnd, ends.endsAt ?? Number.POSITIVE_INFINITY);
    slot.set({ value, heardAt: now, retained: retain, bytes: payload.length, ...ends });
    return { place, type: before !== undefined && isSame(before.value, value) ? 'refreshed' : 'set' };
  }

  #remove(place: Place): boolean {
    const slot = this.#slot(place);
    const before = slot?.get();
    if (slot === undefined || before === undefined) return false;
    this.#bytes -= before.bytes;
    slot.set(undefined);
    this.#tidy(place);
    return true;
  }

  /** Takes away what is empty around a place. */
  #tidy(place: Place): void {
    if (place.type === 'node') {
      const node = this.#nodes.get(place.node);
      if (node !== undefined && placesOfNode(node).length === 0) this.#nodes.delete(place.node);
      return;
    }
    const group = this.#groups.get(place.group);
    if (group === undefined) return;
    const member = place.type === 'group' ? undefined : group.members.get(place.node);
    if (member !== undefined && placesOfMember(group.group, member).length === 0) group.members.delete(member.node);
    if (group.members.size === 0 && placesOfGroup(group).length === 0) this.#groups.delete(group.group);
  }

  #places(): readonly Place[] {
    return [...[...this.#nodes.values()].flatMap(placesOfNode), ...[...this.#groups.values()].flatMap(placesOfGroup)];
  }

  /**
   * Where a place keeps what it says.
   * @param make - with all that is missing on the way to it, as far as the bounds allow
   */
  #slot(place: Place, make = false): Slot | undefined {
    const most = (bound: number): number => (make ? bound : 0);
    if (place.type === 'node') {
      const node = foundOrMade(this.#nodes, place.node, { make: newNode, most: most(BUS_BOUNDS.nodes) });
      return node && slotOf(node, place.leaf);
    }
    const group = foundOrMade(this.#groups, place.group, { make: newGroup, most: most(BUS_BOUNDS.groups) });
    if (group === undefined || place.type === 'group') return group && slotOf(group, place.leaf);
    const bound = most(BUS_BOUNDS.membersOfGroup);
    const member = foundOrMade(group.members, place.node, { make: newMember, most: bound });
    if (member === undefined || place.type === 'member') return member && slotOf(member, place.leaf);
    return addressSlot(member, place);
  }
}

/** Whether both say the same; when it was written does not matter. */
const isSame = (one: unknown, other: unknown): boolean => isDeepStrictEqual(timeless(one), timeless(other));

const timeless = (value: unknown): unknown =>
  typeof value === 'object' && value !== null ? { ...value, at: undefined } : value;

/** No configuration allows other names (`config/name-rules.ts`), and people are to read them on terminals. */
const isNamed = (place: Place): boolean =>
  [
    place.type === 'node' ? place.node : place.group,
    place.type === 'member' || place.type === 'address' ? place.node : 'node',
    place.type === 'address' ? place.address : 'address',
  ].every((name) => name.length > 0 && name.length <= BUS_BOUNDS.nameLength && !/[\p{Cc}\p{Cs}]/u.test(name));

/** What names itself says so where it belongs: else a host could speak for another by mistake. */
const isAtHome = (place: Place, value: unknown): boolean => {
  switch (place.leaf) {
    case 'info':
      return (value as NodeInfo).node === place.node;
    case 'state': {
      const { group, node } = value as HeardState;
      return group === place.group && node === place.node;
    }
    case 'alarm':
      return (value as HeardAlarmReport).group === place.group;
    case 'peers':
      return (value as PeerReport).address === place.address;
    default:
      return true;
  }
};
