import type { PublicRole } from '../../../engine/status.ts';
import { advertInterval, effectiveSkew, masterDownTime } from '../../../protocol/timing.ts';
import { advBase, advSkew, toExactMillis } from '../../../protocol/units.ts';
import type { NodeInfo, NodeInfoGroup, PeerReport } from '../payloads.ts';
import { placeOf } from '../topics.ts';
import type { HeardState } from '../view/bus-payloads.ts';
import { BusView } from '../view/bus-view.ts';
import type { BusMember, BusMessage, Heard } from '../view/bus-view-types.ts';
import { Instances } from './alarm-instances.ts';
import type { GroupSight, MasterSight, MemberSight, PeerSight, SyncSight } from './alarm-sight.ts';

export interface LookoutOptions {
  readonly base: string;
  /** What was said longer ago does not count: the broker has dropped it (MQTT 5), or should have. In ms. */
  readonly staleMs: number;
  /** Of other groups nothing is kept. */
  readonly isWatched: (group: string) => boolean;
}

/** What a message was about: a node, with all its groups; or a group, and whether one of its hosts has another role. */
export type Glimpse =
  | { readonly type: 'node' }
  | { readonly type: 'group'; readonly group: string; readonly hasMoved: boolean };

/** What is remembered of a member beyond what it says now. */
interface Standing {
  role: PublicRole;
  roleSince: number;
  saidAt?: number;
  master?: MasterSight;
  address?: string;
}

/** Each is compared with each other. A group of more hosts than that is somebody's joke. */
const MEMBERS_MAX = 32;
/** A host that is online, and what is known of it in a group. */
interface Present {
  readonly member: BusMember;
  readonly state: HeardState;
  readonly standing: Standing;
  readonly now: number;
}

/** deadratio where a host has not told its own. */
const DEADRATIO = 3;

/** Sees what the hosts of the watched groups say on the bus, and remembers since when. Times are monotonic, in ms. */
export class Lookout {
  readonly #options: LookoutOptions;
  readonly #view: BusView;
  readonly #instances: Instances;
  /** By group, then by node. */
  readonly #standings = new Map<string, Map<string, Standing>>();
  readonly #onlineSince = new Map<string, number>();
  #syncs: { readonly now: number; readonly sights: Map<string, SyncSight> } = { now: 0, sights: new Map() };
  /** By group, of the infos that are there. */
  readonly #byGroup = new WeakMap<NodeInfo, ReadonlyMap<string, NodeInfoGroup>>();

  constructor(options: LookoutOptions) {
    this.#options = options;
    this.#view = new BusView(options.base);
    this.#instances = new Instances(options.staleMs);
  }

  /**
   * The connection has gone, and what is there is told anew over the next one. Since when hosts have been what they are is
   * remembered, so that what is there unchanged does not look new.
   */
  lost(): void {
    this.#view.clear();
    this.#onlineSince.clear();
  }

  /** Takes in a message. Returns what it is about; `undefined` if it is without effect. */
  heard(message: BusMessage, now: number): Glimpse | undefined {
    const place = placeOf(this.#options.base, message.topic);
    if (place === undefined || (place.type !== 'node' && !this.#options.isWatched(place.group))) return undefined;
    if (this.#view.apply(message, now) === undefined) return undefined;
    if (place.type === 'node') {
      if (place.leaf === 'status') this.#noteStatus(place.node, now);
      else this.#noteInfo(place.node, message.retain, now);
      return { type: 'node' };
    }
    const hasMoved = place.leaf === 'state' && this.#noteState({ ...place, isLive: !message.retain, now });
    return { type: 'group', group: place.group, hasMoved };
  }

  /** Who says what is wrong with a group, as far as that was said. */
  alarmOf(group: string) {
    return this.#view.groups.get(group)?.alarm?.value;
  }

  /**
   * Online hosts that watch over this group, by name. They have said so lately: one that lost its power together with
   * the broker, or whose broker is behind a bridge that is down, is online on this broker for ever.
   */
  watchersOf(group: string, now: number): readonly string[] {
    return [...this.#view.nodes.values()]
      .filter(({ node }) => this.#view.statusOf(node) === 'online')
      .filter(({ info }) => info !== undefined && info.value.alarms !== false && this.#isFresh(info, now))
      .filter(({ node }) => this.#infoOf(node, group) !== undefined)
      .map(({ node }) => node)
      .sort();
  }

  /** A group as it is now. */
  sightOf(group: string, now: number): GroupSight {
    const members = this.#view.groups.get(group)?.members ?? new Map<string, BusMember>();
    this.#forgetOthers(group, members);
    const present = [...members.values()].flatMap((member): readonly Present[] => {
      const state = this.#present(member, now);
      const standing = this.#standings.get(group)?.get(member.node);
      return state === undefined || standing === undefined ? [] : [{ member, state, standing, now }];
    });
    present.sort((a, b) => (a.member.node < b.member.node ? -1 : 1));
    const isHere = (node: string): boolean => present.some(({ member }) => member.node === node);
    const duplicates = this.#instances.duplicates(now).filter(isHere);
    const compared = present.slice(0, MEMBERS_MAX).map((one) => this.#memberSight(one));
    return { group, now, members: compared, duplicates };
  }

  /** What an online host has said lately. */
  #present({ node, state }: BusMember, now: number): HeardState | undefined {
    return state !== undefined && this.#view.statusOf(node) === 'online' && this.#isFresh(state, now)
      ? state.value
      : undefined;
  }

  #isFresh({ heardAt }: Heard<unknown>, now: number): boolean {
    return now - heardAt <= this.#options.staleMs;
  }

  #memberSight({ member, state, standing, now }: Present): MemberSight {
    const { node, peers } = member;
    const info = this.#infoOf(node, state.group);
    const { role, roleSince, saidAt, master, address } = standing;
    const sync = info?.sync === undefined ? undefined : this.#syncSight(node, info.sync, now);
    return {
      node,
      role,
      roleSince: Math.max(roleSince, this.#onlineSince.get(node) ?? roleSince),
      ...(saidAt === undefined ? {} : { saidAt }),
      isStarting: isStarting(state),
      intervalMs: intervalMs(state),
      downMs: downMs(state, info),
      ...(master === undefined ? {} : { master }),
      ...(address === undefined ? {} : { address }),
      peers: [...peers.values()].filter((peer) => this.#isFresh(peer, now)).map(peerSight),
      vhid: state.vhid,
      ...(info === undefined || info.vhid !== state.vhid ? {} : { fingerprint: info.fingerprint }),
      ...(sync === undefined ? {} : { sync }),
    };
  }

  #infoOf(node: string, group: string): NodeInfoGroup | undefined {
    const info = this.#view.nodes.get(node)?.info?.value;
    if (info === undefined) return undefined;
    const known = this.#byGroup.get(info) ?? new Map(info.groups.map((one) => [one.group, one]));
    this.#byGroup.set(info, known);
    return known.get(group);
  }

  /** The same for all groups of the sync at one moment. */
  #syncSight(node: string, name: string, now: number): SyncSight {
    if (this.#syncs.now !== now) this.#syncs = { now, sights: new Map() };
    const key = JSON.stringify([node, name]);
    const sight = this.#syncs.sights.get(key) ?? this.#lookAtSync(node, name, now);
    this.#syncs.sights.set(key, sight);
    return sight;
  }

  #lookAtSync(node: string, name: string, now: number): SyncSight {
    const groups = this.#view.nodes.get(node)?.info?.value.groups ?? [];
    return {
      name,
      groups: groups
        .filter(({ sync }) => sync === name)
        .flatMap((info) => {
          const member = this.#view.groups.get(info.group)?.members.get(node);
          const state = member === undefined ? undefined : this.#present(member, now);
          const roleSince = this.#standings.get(info.group)?.get(node)?.roleSince;
          if (state === undefined || roleSince === undefined) return [];
          const { role } = state;
          return [{ group: info.group, role, roleSince, isStarting: isStarting(state), downMs: downMs(state, info) }];
        }),
    };
  }

  #noteStatus(node: string, now: number): void {
    if (this.#view.statusOf(node) !== 'online') this.#onlineSince.delete(node);
    else if (!this.#onlineSince.has(node)) this.#onlineSince.set(node, now);
  }

  #noteInfo(node: string, retained: boolean, now: number): void {
    const info = this.#view.nodes.get(node)?.info?.value;
    if (info !== undefined && !retained) this.#instances.heard(node, info.instance, now);
  }

  #noteState({
    group,
    node,
    isLive,
    now,
  }: {
    readonly group: string;
    readonly node: string;
    readonly isLive: boolean;
    readonly now: number;
  }): boolean {
    const state = this.#view.groups.get(group)?.members.get(node)?.state?.value;
    const standings = this.#standings.get(group) ?? new Map<string, Standing>();
    this.#standings.set(group, standings);
    if (state === undefined) {
      standings.delete(node);
      return true;
    }
    const { role, master } = state;
    const before = standings.get(node);
    const standing: Standing = before ?? { role, roleSince: now };
    const hasMoved = before?.role !== role;
    standings.set(node, standing);
    if (standing.role !== role) Object.assign(standing, { role, roleSince: now });
    if (isLive) standing.saidAt = now;
    if (master?.self === true) standing.address = master.address;
    if (master === undefined) delete standing.master;
    else if (standing.master?.address !== master.address || standing.master.self !== master.self)
      standing.master = { ...master, since: now };
    return hasMoved;
  }

  /** Bounded by the view: whoever is no longer there is forgotten. */
  #forgetOthers(group: string, members: ReadonlyMap<string, BusMember>): void {
    const standings = this.#standings.get(group);
    for (const node of standings?.keys() ?? []) if (members.get(node)?.state === undefined) standings?.delete(node);
    if (standings?.size === 0) this.#standings.delete(group);
  }
}

const peerSight = ({ value, heardAt }: Heard<PeerReport>): PeerSight => {
  const { address, state, rival, lastHeard, at } = value;
  return {
    address,
    advertises: state === 'advertising',
    isRival: rival === true,
    // Both times are of one clock: how long it had been quiet needs no comparison of clocks.
    heardAt: heardAt - Math.max(0, Date.parse(at) - Date.parse(lastHeard)),
  };
};

const isStarting = ({ role, reason }: HeardState): boolean => role === 'INIT' && reason === 'startup';

const skewOf = ({ advskew, demotion }: HeardState) => effectiveSkew(advSkew(advskew), demotion);

const intervalMs = (state: HeardState): number => toExactMillis(advertInterval(advBase(state.advbase), skewOf(state)));

const downMs = (state: HeardState, info: NodeInfoGroup | undefined): number =>
  toExactMillis(masterDownTime(advBase(state.advbase), skewOf(state), info?.deadratio ?? DEADRATIO));
