import type { BusGroup, BusHost } from '../../src/adapters/mqtt/part.ts';
import { parseAddress } from '../../src/protocol/address.ts';

const none = (): never => {
  throw new Error('this host takes no orders');
};

/** A group as a bus sees it. */
export const busGroup = (
  group: string,
  more: Partial<Omit<BusGroup, 'addresses'>> & { readonly addresses?: readonly string[] } = {},
): BusGroup => {
  const { addresses = ['192.0.2.100'], ...rest } = more;
  return {
    group,
    interface: 'eth0',
    vhid: 10,
    advbase: 1,
    deadratio: 3,
    addressing: 'interface',
    ...rest,
    addresses: addresses.flatMap((text) => parseAddress(text) ?? []),
  };
};

/** A host with one group, `plant`, that says nothing by itself. */
export const busHost = (more: Partial<BusHost> = {}): BusHost => ({
  node: 'rpi1',
  instance: '0123456789abcdef',
  startedAt: '2026-11-22T12:00:00.000Z',
  version: '1.2.3',
  groups: () => [busGroup('plant')],
  snapshots: () => [],
  status: () => ({ node: more.node ?? 'rpi1', groups: [] }),
  peers: () => more.status?.().groups.map(({ group, peers = [] }) => ({ group, peers })) ?? [],
  modeOf: () => 'normal',
  operator: { handOver: none, setMode: none, setAdvskew: none },
  ...more,
});
