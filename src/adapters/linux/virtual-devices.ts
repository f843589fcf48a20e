/**
 * The macvlans of virtual hosts (DESIGN 6, virtual-mac). One exists for as long as somebody uses it, and is up for as
 * long as somebody holds addresses: a macvlan that is down sends nothing, so that no switch learns the virtual MAC from
 * a BACKUP, and takes no frame of its peers away from the parent.
 *
 * What has to survive this process is kept by the kernel: the name and MAC of a macvlan say whose it is, its alias what
 * its parent had before.
 */
import { CarpError } from '../../ports/error.ts';
import type { Log } from '../../ports/log.ts';
import type { Family } from '../../protocol/address.ts';
import type { Vhid } from '../../protocol/units.ts';
import {
  aliasOf,
  formerIn,
  type ParentSettings,
  parentSettings,
  prepareMacvlan,
  refuseHostSettings,
  restoreParent,
  restrainParent,
} from './arp-duty.ts';
import type { Kernel } from './kernel.ts';
import {
  addMacvlan,
  deleteLink,
  macvlanName,
  setAlias,
  setDown,
  setUp,
  virtualMacOf,
  withoutLinkLocal,
} from './macvlan.ts';
import { addressesOf, linkNamed, type Network } from './network.ts';
import { noInterface } from './no-interface.ts';
import { cannotCarry, refuseWireless } from './no-macvlan.ts';
import { outcomeText } from './route-socket.ts';
import { Errno, formatMac, type Link, LinkFlag, type Outcome, type RouteRequest } from './rtnetlink.ts';

export interface VirtualHost {
  /** The parent. */
  readonly interface: string;
  readonly vhid: Vhid;
  /** A MAC instead of the virtual one, as OpenBSD's `lladdr` sets it. */
  readonly lladdr?: Uint8Array;
}

const macOf = ({ vhid, lladdr }: VirtualHost): Uint8Array => lladdr ?? virtualMacOf(vhid);

/** The use of a macvlan by one channel. */
export interface VirtualDevice {
  readonly name: string;
  readonly index: number;
  readonly mac: Uint8Array;
  /** Removes the macvlan if nobody else uses it. As often as one likes; never throws. */
  readonly close: () => void;
}

export interface VirtualDevices {
  /**
   * The macvlan of a virtual host, made if it is missing and fit for this family. What a predecessor has left is taken
   * over: it stays up while it has addresses, until somebody inherits them or does not.
   * @throws CarpError CARP_NO_INTERFACE, CARP_NO_PERMISSION
   */
  readonly open: (host: VirtualHost, family: Family) => VirtualDevice;
  /** The name of the macvlan if this process has one open. */
  readonly openName: (host: VirtualHost) => string | undefined;
  /**
   * Lets it send and receive until the function that is returned is called, which never throws.
   * @throws CarpError CARP_NO_INTERFACE
   */
  readonly raise: (host: VirtualHost) => () => void;
  /** Switches off what a predecessor has left up, unless somebody has raised it. */
  readonly disinherit: (host: VirtualHost) => void;
  /** Removes what a predecessor has left. @returns its name if there was one */
  readonly removeLeftover: (host: VirtualHost) => string | undefined;
}

interface Device {
  readonly name: string;
  readonly index: number;
  readonly lower: number;
  readonly mac: Uint8Array;
  users: number;
  holds: number;
  /** Whether one of the holds is the predecessor's. */
  inherited: boolean;
}

const isSet = ({ flags }: Link, flag: number): boolean => (flags & flag) !== 0;

class MacvlanDevices implements VirtualDevices {
  readonly #kernel: Kernel;
  readonly #log: Log;
  readonly #devices = new Map<string, Device>();

  constructor(kernel: Kernel, log: Log) {
    this.#kernel = kernel;
    this.#log = log;
  }

  readonly open = (host: VirtualHost, family: Family): VirtualDevice => {
    const network = this.#kernel.read();
    const parent = linkNamed(network, host.interface);
    if (parent === undefined) throw noInterface(host.interface);
    const device =
      this.#present(network, parent, host) ??
      this.#takeOver(network, parent, host) ??
      this.#make(this.#kernel.read(), parent, host);
    device.users += 1;
    try {
      restrainParent(parent.name);
      prepareMacvlan(device.name, family);
    } catch (error) {
      this.#leave(device);
      throw error;
    }
    let closed = false;
    return {
      name: device.name,
      index: device.index,
      mac: device.mac,
      close: () => {
        if (!closed) this.#leave(device);
        closed = true;
      },
    };
  };

  readonly openName = (host: VirtualHost): string | undefined => this.#deviceOf(host)?.name;

  readonly raise = (host: VirtualHost): (() => void) => {
    const device = this.#deviceOf(host);
    if (device === undefined) throw noInterface(host.interface);
    const outcome = this.#ask(setUp(device));
    if (outcome.errno === Errno.EBUSY)
      throw new CarpError(
        'CARP_NO_INTERFACE',
        `another interface on ${host.interface} has the MAC ${formatMac(device.mac)} already: VRRP with the same id?`,
        { remedy: `ip -d link show | grep -B1 -i ${formatMac(device.mac)}; give one of the two another vhid` },
      );
    if (outcome.errno !== 0)
      throw new CarpError('CARP_NO_INTERFACE', `${device.name} cannot be switched on: ${outcomeText(outcome)}`);
    device.holds += 1;
    const watching = this.#kernel.events$.subscribe((event) => {
      if (event.type === 'link' && event.link.index === device.index) this.#keepUp(device);
    });
    return () => {
      if (watching.closed) return;
      watching.unsubscribe();
      this.#lower(device);
    };
  };

  readonly disinherit = (host: VirtualHost): void => {
    const device = this.#deviceOf(host);
    if (!device?.inherited) return;
    device.inherited = false;
    this.#lower(device);
  };

  /** Somebody may have switched it off; a MASTER that nobody can reach is worse than none. */
  #keepUp(device: Device): void {
    const link = this.#kernel.read().links.get(device.index);
    if (link === undefined || isSet(link, LinkFlag.UP)) return;
    this.#log('warn', `somebody switched ${device.name} off; it was switched on again`);
    this.#quietly(setUp(device));
  }

  #lower(device: Device): void {
    device.holds -= 1;
    if (device.holds === 0) this.#quietly(setDown(device));
  }

  readonly removeLeftover = (host: VirtualHost): string | undefined => {
    const network = this.#kernel.read();
    const found = this.#leftoverOf(network, host);
    if (found !== undefined) this.#remove(found, formerIn(found.alias));
    return found?.name;
  };

  #deviceOf({ interface: name, vhid }: VirtualHost): Device | undefined {
    const lower = linkNamed(this.#kernel.read(), name)?.index;
    return lower === undefined ? undefined : this.#devices.get(macvlanName(lower, vhid));
  }

  /** What this process has open, unless somebody has removed it behind its back. */
  #present(network: Network, parent: Link, { vhid }: VirtualHost): Device | undefined {
    const device = this.#devices.get(macvlanName(parent.index, vhid));
    return device !== undefined && network.links.has(device.index) ? device : undefined;
  }

  #leftoverOf(network: Network, host: VirtualHost): Link | undefined {
    const parent = linkNamed(network, host.interface);
    const link = parent && linkNamed(network, macvlanName(parent.index, host.vhid));
    if (link === undefined || this.#devices.get(link.name)?.index === link.index) return undefined;
    const hasOurMark = link.mac === formatMac(macOf(host)) || formerIn(link.alias) !== undefined;
    return hasOurMark && link.kind === 'macvlan' && link.lower === parent?.index ? link : undefined;
  }

  #make(network: Network, parent: Link, host: VirtualHost): Device {
    refuseHostSettings();
    refuseWireless(parent.name);
    const name = macvlanName(parent.index, host.vhid);
    const mac = macOf(host);
    const former = this.#formerOf(network, parent);
    if (linkNamed(network, name) !== undefined)
      throw new CarpError('CARP_NO_INTERFACE', `there is an interface ${name} already, and it is not ours`, {
        remedy: `look at it: ip -d link show ${name}; remove it: ip link del ${name}`,
      });
    const outcome = this.#ask(addMacvlan({ name, lower: parent.index, mac }));
    if (outcome.errno !== 0) throw cannotCarry(parent.name, outcome);
    const index = linkNamed(this.#kernel.read(), name)?.index;
    if (index === undefined) throw noInterface(name, `${name} vanished as soon as it was made`);
    const device: Device = { name, index, lower: parent.index, mac, users: 0, holds: 0, inherited: false };
    this.#devices.set(name, device);
    this.#quietly(withoutLinkLocal(device), setAlias(device, aliasOf(host.vhid, parent.name, former)));
    return device;
  }

  #takeOver(network: Network, parent: Link, host: VirtualHost): Device | undefined {
    const link = this.#leftoverOf(network, host);
    if (link === undefined) return undefined;
    const { name, index } = link;
    if (link.mac !== formatMac(macOf(host))) {
      // Its lladdr has been changed since: neighbours must not learn the old one again.
      this.#remove(link, formerIn(link.alias));
      return undefined;
    }
    const inherited = isSet(link, LinkFlag.UP) && addressesOf(network, index).length > 0;
    const mac = macOf(host);
    const device: Device = { name, index, lower: parent.index, mac, users: 0, holds: inherited ? 1 : 0, inherited };
    this.#devices.set(name, device);
    if (!inherited) this.#quietly(setDown(device));
    this.#log('warn', `took over ${name}, which a former agent left`);
    return device;
  }

  /** What the parent had before the first macvlan of ours came. */
  #formerOf(network: Network, parent: Link): ParentSettings {
    const known = siblings(network, parent.index).map(({ alias }) => formerIn(alias));
    return known.find((each) => each !== undefined) ?? parentSettings(parent.name);
  }

  #leave(device: Device): void {
    device.users -= 1;
    if (device.users > 0) return;
    if (this.#devices.get(device.name) === device) this.#devices.delete(device.name);
    try {
      const link = this.#kernel.read().links.get(device.index);
      if (link !== undefined && link.lower === device.lower) this.#remove(link, formerIn(link.alias));
    } catch (error) {
      this.#log('warn', `${device.name} could not be removed: ${String(error)}`);
    }
  }

  /** Removes it, and with the last of its parent what the parent was told. */
  #remove(link: Link, former: ParentSettings | undefined): void {
    // Down first: to leave groups it would send one more report, after its successor has spoken.
    this.#quietly(setDown(link), deleteLink(link));
    const network = this.#kernel.read();
    const parent = link.lower === undefined ? undefined : network.links.get(link.lower);
    if (parent === undefined || former === undefined || siblings(network, parent.index).length > 0) return;
    restoreParent(parent.name, former);
  }

  #ask(request: RouteRequest): Outcome {
    const [outcome] = this.#kernel.transact([request]);
    return outcome ?? { errno: 0 };
  }

  /** For what is not worth failing for, above all what has gone already. */
  #quietly(...requests: readonly RouteRequest[]): void {
    try {
      const failed = this.#kernel.transact(requests).find(({ errno }) => errno !== 0 && errno !== Errno.ENODEV);
      if (failed !== undefined) this.#log('warn', `a macvlan could not be changed: ${outcomeText(failed)}`);
    } catch (error) {
      this.#log('warn', `a macvlan could not be changed: ${String(error)}`);
    }
  }
}

/** Macvlans of ours on an interface, of this process or another. */
const siblings = ({ links }: Network, lower: number): readonly Link[] =>
  [...links.values()].filter((link) => {
    const vhid = /^carp[0-9a-z]+[-_](\d+)$/.exec(link.name)?.[1];
    return link.kind === 'macvlan' && link.lower === lower && vhid !== undefined && formerIn(link.alias) !== undefined;
  });

/** Macvlans of this network namespace. */
export const createVirtualDevices = (kernel: Kernel, log: Log): VirtualDevices => new MacvlanDevices(kernel, log);
