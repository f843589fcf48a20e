/** Models of other systems' CARP for the LAN in virtual time, after facts about their sources and about live kernels. */
import type { IpAddress } from '../../src/protocol/address.ts';
import type { Lan } from './machine-lan.ts';
import { Kernel } from './model-kernel.ts';
import { FREEBSD, NETBSD, OPENBSD } from './model-kernels.ts';
import type { Peer, PeerOptions } from './model-peer.ts';
import { Ucarp } from './model-ucarp.ts';

export const SYSTEMS = ['freebsd', 'openbsd', 'netbsd', 'ucarp'] as const;
export type System = (typeof SYSTEMS)[number];

const KERNELS = { freebsd: FREEBSD, openbsd: OPENBSD, netbsd: NETBSD } as const;

/** A host of another system, one address for each family it speaks. ucarp takes the first one, which is to be IPv4. */
export const modelOf = (
  system: System,
  lan: Lan,
  sources: readonly [IpAddress, ...IpAddress[]],
  options: PeerOptions,
): Peer =>
  system === 'ucarp' ? new Ucarp(lan, sources[0], options) : new Kernel(lan, sources, options, KERNELS[system]);
