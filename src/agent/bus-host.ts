import { randomBytes } from 'node:crypto';
import type { BusGroup, BusHost } from '../adapters/mqtt/part.ts';
import type { GroupConfig } from '../config/types.ts';
import { parseCidr } from '../protocol/address.ts';
import type { BusControl } from './bus-operator.ts';
import type { Hosted } from './hosted.ts';

export interface BusHostOptions {
  readonly host: Hosted;
  readonly control: BusControl;
  readonly version: string;
  readonly startedAt: Date;
}

/** A host as its publishers see it: what it says, and what may be done to it. */
export const createBusHost = ({ host, control, version, startedAt }: BusHostOptions): BusHost => {
  let groupsOf: readonly GroupConfig[] = [];
  let groups: readonly BusGroup[] = [];
  return {
    node: host.node,
    instance: randomBytes(8).toString('hex'),
    startedAt: startedAt.toISOString(),
    version,
    groups: () => {
      const configured = host.plan.config.groups;
      if (configured !== groupsOf) {
        groupsOf = configured;
        groups = configured.map(busGroup);
      }
      return groups;
    },
    snapshots: (group) => host.snapshots(group),
    status: () => host.status(),
    peers: () => host.peers(),
    ...control,
  };
};

const busGroup = ({
  name,
  sync,
  addresses,
  vhid,
  advbase,
  deadratio,
  addressing,
  ...group
}: GroupConfig): BusGroup => ({
  group: name,
  interface: group.interface,
  vhid,
  ...(sync === undefined ? {} : { sync }),
  advbase,
  deadratio,
  addresses: addresses
    .flatMap((text) => parseCidr(text)?.address ?? [])
    .sort((one, other) => (one.text < other.text ? -1 : 1)),
  addressing,
});
