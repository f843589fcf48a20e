/** What there is to say about the interfaces and addresses of a configuration. Changes nothing. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { createInterfaces } from '../adapters/linux/interfaces.ts';
import { planLease } from '../adapters/linux/lease-plan.ts';
import { linkNamed, type Network } from '../adapters/linux/network.ts';
import { LinkFlag } from '../adapters/linux/rtnetlink.ts';
import { canPromoteSecondaries, promoteCommand, promotesSecondaries } from '../adapters/linux/sysctl.ts';
import { kernelAccess } from '../agent/kernel-access.ts';
import { groupSettings } from '../config/settings.ts';
import type { GroupConfig } from '../config/types.ts';
import type { GroupSettings } from '../engine/settings.ts';
import { sourcesOf } from '../engine/standing.ts';
import type { InterfaceState } from '../ports/interfaces.ts';
import { type Finding, missing, missingBecause, ok, warning } from './doctor-finding.ts';
import { type Files, managerFindings } from './doctor-managers.ts';

/** net_device_flags. */
const IFF_MULTICAST = 0x1000;

/** All interfaces that these groups are on, and then the groups. Needs koffi or iproute2, but no privileges. */
export const networkFindings = async (groups: readonly GroupConfig[]): Promise<readonly Finding[]> => {
  const { kernel } = kernelAccess(() => undefined);
  const network = kernel.read();
  const interfaces = createInterfaces(kernel);
  const names = [...new Set(groups.map((group) => group.interface))];
  const states = new Map<string, InterfaceState>();
  for (const name of names) states.set(name, await firstValueFrom(interfaces.watch(name)));
  const findings = names.flatMap((name) => interfaceFindings(name, network, groups));
  for (const group of groups) {
    const state = states.get(group.interface);
    if (state?.exists === true) findings.push(...groupFindings(group, state, network));
  }
  return findings;
};

const interfaceFindings = (name: string, network: Network, groups: readonly GroupConfig[]): readonly Finding[] => {
  const link = linkNamed(network, name);
  if (link === undefined) {
    const names = [...network.links.values()].map((each) => each.name).join(', ');
    return [missing(name, 'there is no such interface', `ip link show; interfaces here: ${names}`)];
  }
  return [
    linkFinding(name, link.flags),
    ...multicastFindings(name, link.flags, groups),
    ...kindFindings(name),
    ...managerFindings({ name, index: link.index }, FILES),
  ];
};

const linkFinding = (name: string, flags: number): Finding => {
  if ((flags & LinkFlag.UP) === 0) return missing(name, 'it is down', `ip link set ${name} up`);
  if ((flags & LinkFlag.RUNNING) === 0)
    return missing(name, 'it has no carrier', `plug the cable in, and look at the port of the switch; ethtool ${name}`);
  return ok(name, 'it is up and has carrier');
};

/** Adverts to peers need no multicast. */
const multicastFindings = (name: string, flags: number, groups: readonly GroupConfig[]): readonly Finding[] => {
  if (groups.every((group) => group.interface !== name || group.peers.length > 0)) return [];
  if ((flags & IFF_MULTICAST) !== 0) return [ok(name, 'it can multicast')];
  return [
    missing(name, 'it cannot multicast', `ip link set ${name} multicast on, or list the other hosts in \`peers\``),
  ];
};

/** Interfaces that can do it, but not well. */
const kindFindings = (name: string): readonly Finding[] => {
  const folder = `/sys/class/net/${name}`;
  const findings: Finding[] = [];
  if (existsSync(`${folder}/wireless`) || existsSync(`${folder}/phy80211`))
    findings.push(
      warning(
        name,
        'it is wireless: access points delay and drop multicast, and take one MAC address per station',
        'use a cable; or list the other hosts in `peers`, raise `advbase`, and do without `addressing: virtual-mac`',
      ),
    );
  for (const [entry, what] of [
    ['brport/bridge', 'a port of the bridge'],
    ['bonding_slave/../master', 'a part of the bond'],
  ] as const) {
    const master = linkTarget(`${folder}/${entry}`);
    if (master === undefined) continue;
    const message = `it is ${what} ${master}, which takes its packets away`;
    findings.push(warning(name, message, `set \`interface: ${master}\``));
  }
  return findings;
};

const groupFindings = (group: GroupConfig, state: InterfaceState, network: Network): readonly Finding[] => {
  const about = `group ${group.name}`;
  // Everything but the secret, which is looked at elsewhere.
  const { pass: _pass, passfile: _passfile, passEnv: _passEnv, ...rest } = group;
  const settings = groupSettings(rest);
  return [sourceFinding(about, settings, state), ...addressFindings(about, group, settings, network)];
};

const sourceFinding = (about: string, settings: GroupSettings, state: InterfaceState): Finding => {
  const sources = Object.values(sourcesOf(settings, state)).map(({ text }) => text);
  if (sources.length > 0) return ok(about, `sends from ${sources.join(' and ')}`);
  const wanted = settings.sources.map(({ text }) => text).join(' or ');
  const name = settings.interface;
  return wanted === ''
    ? missing(
        about,
        `${name} has no address of its own to send from`,
        `ip addr add 192.0.2.11/24 dev ${name} (an address of this host, none of those it shares)`,
      )
    : missing(
        about,
        `${name} does not have the \`source\` ${wanted}`,
        `ip addr show dev ${name}, or remove \`source\``,
      );
};

/** The same questions that the agent asks before it starts a group. */
const addressFindings = (
  about: string,
  { addressing }: GroupConfig,
  { name: group, interface: device, addresses }: GroupSettings,
  network: Network,
): readonly Finding[] => {
  if (addressing === 'manual' || addresses.length === 0) return [];
  try {
    const request = { group, interface: device, addresses, seconds: 1 };
    // An entry with a lifetime is taken for that of the agent that runs: it knows better.
    const { needsPromotion } = planLease(request, network, (_name, { validSeconds }) => validSeconds !== undefined);
    const free = ok(about, 'nobody else has set its addresses here');
    // With a virtual MAC the addresses are on a device of the agent's own.
    if (!needsPromotion || addressing === 'virtual-mac' || promotesSecondaries(device)) return [free];
    const message = `an address will be the first of its subnet, which needs promote_secondaries on ${device}`;
    return canPromoteSecondaries(device)
      ? [free, ok(about, `${message}; the agent will set it`)]
      : [free, missing(about, message, `sudo ${promoteCommand(device)}`)];
  } catch (error) {
    return [missingBecause(about, error)];
  }
};

const FILES: Files = {
  read: (path) => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return undefined;
    }
  },
  list: (folder) => {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  },
};

const linkTarget = (path: string): string | undefined => {
  try {
    return basename(readlinkSync(path));
  } catch {
    return undefined;
  }
};
