/** Where the view of the bus keeps what each topic says, and what there is of it. */

import type { PeerReport } from '../payloads.ts';
import { GROUP_LEAVES, MEMBER_LEAVES, NODE_LEAVES, type Place } from '../topics.ts';
import type { VipState } from './bus-payloads.ts';
import { BUS_BOUNDS, type BusGroupView, type BusMember, type BusNode, type Heard } from './bus-view-types.ts';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export type Node = Mutable<BusNode>;

export interface Member extends Mutable<BusMember> {
  readonly vips: Map<string, Heard<VipState>>;
  readonly peers: Map<string, Heard<PeerReport>>;
}

export interface Group extends Mutable<BusGroupView> {
  readonly members: Map<string, Member>;
}

export const newNode = (node: string): Node => ({ node });
export const newGroup = (group: string): Group => ({ group, members: new Map() });
export const newMember = (node: string): Member => ({ node, vips: new Map(), peers: new Map() });

/** What one topic says, to be read and replaced. */
export interface Slot {
  readonly get: () => Heard<unknown> | undefined;
  readonly set: (heard: Heard<unknown> | undefined) => void;
}

/** A property of a container. That the value fits the leaf is known from its reader. */
export const slotOf = (container: object, leaf: string): Slot => {
  const slots = container as Record<string, Heard<unknown> | undefined>;
  return {
    get: () => slots[leaf],
    set: (heard) => {
      if (heard === undefined) delete slots[leaf];
      else slots[leaf] = heard;
    },
  };
};

/** One of the addresses of a member; undefined if it has too many. */
export const addressSlot = (
  { vips, peers }: Member,
  { leaf, address }: Place & { readonly type: 'address' },
): Slot | undefined =>
  leaf === 'vip'
    ? entryOf(vips as Map<string, Heard<unknown>>, address, BUS_BOUNDS.vipsOfMember)
    : entryOf(peers as Map<string, Heard<unknown>>, address, BUS_BOUNDS.peersOfMember);

const entryOf = (entries: Map<string, Heard<unknown>>, address: string, most: number): Slot | undefined => {
  if (entries.size >= most && !entries.has(address)) return undefined;
  return {
    get: () => entries.get(address),
    set: (heard) => void (heard === undefined ? entries.delete(address) : entries.set(address, heard)),
  };
};

/** The entry of that name; a new one, while there are fewer than `most`. */
export const foundOrMade = <T>(
  map: Map<string, T>,
  name: string,
  { make, most }: { readonly make: (name: string) => T; readonly most: number },
): T | undefined => {
  const found = map.get(name);
  if (found !== undefined || map.size >= most) return found;
  const made = make(name);
  map.set(name, made);
  return made;
};

export const placesOfNode = (node: BusNode): readonly Place[] =>
  NODE_LEAVES.filter((leaf) => node[leaf] !== undefined).map((leaf) => ({ type: 'node', node: node.node, leaf }));

export const placesOfGroup = (view: BusGroupView): readonly Place[] => {
  const { group } = view;
  const own = GROUP_LEAVES.filter((leaf) => view[leaf] !== undefined);
  return [
    ...own.map((leaf): Place => ({ type: 'group', group, leaf })),
    ...[...view.members.values()].flatMap((member) => placesOfMember(group, member)),
  ];
};

export const placesOfMember = (group: string, member: BusMember): readonly Place[] => {
  const { node } = member;
  const own = MEMBER_LEAVES.filter((leaf) => leaf !== 'event' && member[leaf] !== undefined);
  return [
    ...own.map((leaf): Place => ({ type: 'member', group, node, leaf })),
    ...[...member.vips.keys()].map((address): Place => ({ type: 'address', group, node, leaf: 'vip', address })),
    ...[...member.peers.keys()].map((address): Place => ({ type: 'address', group, node, leaf: 'peers', address })),
  ];
};
