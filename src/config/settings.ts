import type { GroupSettings, HostSettings } from '../engine/settings.ts';
import { CarpError } from '../ports/error.ts';
import { type Cidr, type IpAddress, parseAddress, parseCidr } from '../protocol/address.ts';
import { keyOf } from '../protocol/authentication.ts';
import { parseMac, sameMac, virtualMac } from '../protocol/mac.ts';
import { advBase, advSkew, seconds, vhid } from '../protocol/units.ts';
import { resolvePassword } from './password.ts';
import type { GroupConfig, HostConfig } from './types.ts';

const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new CarpError('CARP_CONFIG', `${text} is no address with a prefix length`);
  return parsed;
};

const address = (text: string): IpAddress => {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new CarpError('CARP_CONFIG', `${text} is no address`);
  return parsed;
};

/** OpenBSD does not sign its virtual MAC, so one that is set to it counts as not set (ip_carp.c, carp_hmac_prepare_ctx). */
const lladdrOf = ({ lladdr, vhid: id }: GroupConfig): Pick<GroupSettings, 'lladdr'> => {
  const mac = lladdr === undefined ? undefined : parseMac(lladdr);
  return mac === undefined || sameMac(mac, virtualMac(id)) ? {} : { lladdr: mac };
};

/**
 * A group in the engine's units, with its secret.
 *
 * @param group - as `parseConfig` returned it
 * @throws CarpError CARP_CONFIG or CARP_NO_PERMISSION: the password cannot be read (any more)
 */
export const groupSettings = (group: GroupConfig, environment: NodeJS.ProcessEnv = process.env): GroupSettings => ({
  name: group.name,
  interface: group.interface,
  vhid: vhid(group.vhid),
  key: keyOf(resolvePassword(group, environment)),
  addresses: group.addresses.map(cidr),
  sources: [group.source ?? []].flat().map(address),
  advbase: advBase(group.advbase),
  advskew: advSkew(group.advskew),
  deadratio: group.deadratio,
  ...(group.sync === undefined ? {} : { sync: group.sync }),
  preempt: group.preempt,
  preemptDelay: seconds(group.preemptDelay),
  peers: group.peers.map(address),
  addressing: group.addressing,
  compatibility: group.compatibility,
  ...lladdrOf(group),
  ...(group.dscp === undefined ? {} : { dscp: group.dscp }),
  checkTtl: group.checkTtl,
  replay: group.replay,
  broadcast: group.broadcast,
  ignoreLink: group.ignoreLink,
  ...(group.multicast === undefined ? {} : { multicast: address(group.multicast) }),
  announceRefresh: seconds(group.announceRefresh),
});

/** A host with all its groups in the engine's units. @throws CarpError as `groupSettings` */
export const hostSettings = (config: HostConfig, environment: NodeJS.ProcessEnv = process.env): HostSettings => {
  return {
    node: config.node,
    startDelay: seconds(config.startDelay),
    demotion: config.demotion,
    groups: config.groups.map((group) => groupSettings(group, environment)),
  };
};
