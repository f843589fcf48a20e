import type { Addresses, LeaseRequest } from '../../ports/addresses.ts';
import type { Announcer } from '../../ports/announcer.ts';
import type { Transport } from '../../ports/transport.ts';
import { type Cidr, isInSubnet } from '../../protocol/address.ts';
import type { Kernel } from './kernel.ts';
import { type Libc, libc as systemLibc } from './libc.ts';
import { linkLoss } from './link-loss.ts';
import { addressesOf, linkNamed } from './network.ts';
import { openVirtualChannel } from './virtual-channel.ts';
import type { VirtualDevices, VirtualHost } from './virtual-devices.ts';

/** Those of the ports that have to do with MAC addresses. */
export interface MacPorts {
  readonly transport: Transport;
  readonly addresses: Addresses;
  readonly announcer: Announcer;
}

export interface VirtualMacOptions {
  readonly kernel: Kernel;
  readonly devices: VirtualDevices;
  readonly host: VirtualHost;
  readonly libc?: Libc;
}

/**
 * Puts a virtual host behind its virtual MAC: the same ports, for one group alone, which goes on to name the parent.
 * The macvlan comes with the first channel and goes with the last; while addresses are held, it is up.
 *
 * @param ports - those of the parent
 */
export const withVirtualMac = (ports: MacPorts, options: VirtualMacOptions): MacPorts => {
  const { kernel, devices, host } = options;
  const libc = options.libc ?? systemLibc();
  const watchLink = linkLoss(libc);
  /** Text of all shared addresses seen so far: only they may be announced with the virtual MAC. */
  const shared = new Set<string>();

  /**
   * As /32 (/128) where the parent has an address of that subnet, and so the route to it. Else with the prefix as given,
   * which brings that route; on an interface without other addresses none can be taken along.
   */
  const fitting = ({ address, prefix }: Cidr): Cidr => {
    const network = kernel.read();
    const parent = linkNamed(network, host.interface);
    const own = parent === undefined ? [] : addressesOf(network, parent.index);
    const isRouted = own.some((each) => isInSubnet(address, each) || isInSubnet(each.address, { address, prefix }));
    return { address, prefix: isRouted ? address.bytes.length * 8 : prefix };
  };
  const onDevice = (request: LeaseRequest): LeaseRequest => {
    for (const { address } of request.addresses) shared.add(address.text);
    return {
      ...request,
      interface: devices.openName(host) ?? request.interface,
      addresses: request.addresses.map(fitting),
    };
  };

  return {
    transport: {
      name: ports.transport.name,
      open: (channel) => {
        const device = devices.open(host, channel.family);
        try {
          const parent = ports.transport.open(channel);
          return openVirtualChannel({ libc, watchLink, options: channel, parent, device });
        } catch (error) {
          device.close();
          throw error;
        }
      },
    },
    addresses: {
      // Without a macvlan yet, the parent stands for it: whether others have the addresses does not depend on it.
      check: (request) => ports.addresses.check(onDevice(request)),
      take: (request) => {
        const lower = devices.raise(host);
        devices.disinherit(host);
        try {
          const lease = ports.addresses.take(onDevice(request));
          return {
            ...lease,
            release: () => {
              // Down first: leaving the groups of its addresses it would send reports after its successor has spoken.
              lower();
              lease.release();
            },
          };
        } catch (error) {
          lower();
          throw error;
        }
      },
      inherits: (request) => {
        const isHeir = ports.addresses.inherits(onDevice(request));
        if (!isHeir) devices.disinherit(host);
        return isHeir;
      },
      disinherit: (request) => {
        devices.disinherit(host);
        ports.addresses.disinherit(onDevice(request));
      },
    },
    announcer: {
      announce: (name, addresses) => {
        const own = addresses.filter(({ text }) => !shared.has(text));
        const others = addresses.filter(({ text }) => shared.has(text));
        if (own.length > 0) ports.announcer.announce(name, own);
        if (others.length > 0) ports.announcer.announce(devices.openName(host) ?? name, others);
      },
    },
  };
};
