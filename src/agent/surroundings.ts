import type { SchedulerLike } from 'rxjs';
import type { Leases } from '../adapters/linux/leases.ts';
import type { VirtualDevices, VirtualHost } from '../adapters/linux/virtual-devices.ts';
import type { MemoryLan } from '../adapters/memory/lan.ts';
import { createSigner } from '../adapters/node/hmac.ts';
import { random64 } from '../adapters/node/random.ts';
import { createReplayArchive, type DiskReplayArchive } from '../adapters/node/replay-archive.ts';
import type { Environment } from '../ports/environment.ts';
import { CarpError } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';
import { listeningProblem, privilegeProblem } from './privileges.ts';
import { type TransportChoice, type Transports, transports } from './transports.ts';
import type { Place, Surroundings } from './world.ts';

export interface Basics {
  readonly scheduler: SchedulerLike;
  readonly wallClock: () => Date;
  readonly log: Log;
}

const common = ({ scheduler, wallClock, log }: Basics) => ({
  scheduler,
  wallClock,
  log,
  signer: createSigner,
  random64,
});

/** A LAN in this process: each simulated host of the agent is a port of the segment that its groups call `interface`. */
export const memorySurroundings = (lan: MemoryLan, basics: Basics): Surroundings => ({
  load: async () => undefined,
  environment: ({ node }) => {
    const { transport, interfaces, addresses, announcer } = lan.host(node);
    return { transport, interfaces, addresses, announcer, ...common(basics) };
  },
  sniffer: async () => lan.sniffer(basics.wallClock),
});

/** The interfaces of this machine. */
export interface RealSurroundings extends Surroundings {
  /** Resolves when all that was written down about leases and adverts is on the disk. */
  readonly settled: () => Promise<void>;
}

type MacPorts = Pick<Environment, 'transport' | 'addresses' | 'announcer'>;

interface Linux {
  readonly transports: Transports;
  readonly interfaces: Environment['interfaces'];
  readonly announcer: Environment['announcer'];
  readonly leasesIn: (folder: string) => Leases;
  readonly devices: VirtualDevices;
  /** The ports of a group with a virtual MAC. */
  readonly behindVirtualMac: (ports: MacPorts, host: VirtualHost) => MacPorts;
}

/** Native code is loaded here and nowhere else, by the first group that needs it. */
const loadLinux = async ({ scheduler, log }: Basics): Promise<Linux> => {
  const [
    { createKoffiTransport },
    { createInterfaces },
    { createLeases },
    { createVirtualDevices },
    { withVirtualMac },
    { createRawSocketTransport },
    { kernelAccess },
  ] = await Promise.all([
    import('../adapters/linux/koffi-transport.ts'),
    import('../adapters/linux/interfaces.ts'),
    import('../adapters/linux/leases.ts'),
    import('../adapters/linux/virtual-devices.ts'),
    import('../adapters/linux/virtual-mac.ts'),
    import('../adapters/raw-socket/raw-socket-transport.ts'),
    import('./kernel-access.ts'),
  ]);
  const { kernel, announcer } = kernelAccess(log);
  const interfaces = createInterfaces(kernel);
  const devices = createVirtualDevices(kernel, log);
  return {
    transports: transports({
      koffi: () => createKoffiTransport(),
      rawSocket: () => createRawSocketTransport(interfaces),
      log,
    }),
    interfaces,
    announcer,
    leasesIn: (stateFolder) => createLeases({ kernel, stateFolder, scheduler, log }),
    devices,
    behindVirtualMac: (ports, host) => withVirtualMac(ports, { kernel, devices, host }),
  };
};

/** What a virtual MAC needs besides is found out now, not at the takeover. @throws CarpError CARP_NO_TRANSPORT */
const choiceOf = ({ group, transport }: Place): TransportChoice => {
  const choice = transport === 'memory' ? 'auto' : transport;
  if (group.addressing !== 'virtual-mac') return choice;
  if (choice === 'raw-socket')
    throw new CarpError(
      'CARP_NO_TRANSPORT',
      `${group.name}: a virtual MAC takes whole Ethernet frames, which transport raw-socket cannot send`,
      { remedy: 'use transport: auto or koffi, or addressing: interface' },
    );
  return 'koffi';
};

/** @throws CarpError CARP_NO_TRANSPORT, with the commands that help */
const transportOf = (place: Place, transports: Transports): Environment['transport'] => {
  const choice = choiceOf(place);
  try {
    return transports(choice);
  } catch (error) {
    if (place.group.addressing !== 'virtual-mac' || !(error instanceof CarpError)) throw error;
    throw new CarpError(error.code, `a virtual MAC needs more than raw sockets: ${error.message}`, {
      remedy: `${error.remedy}; or use addressing: interface`,
      cause: error,
    });
  }
};

/** @throws CarpError CARP_NO_TRANSPORT */
const onLinux = (platform: NodeJS.Platform): void => {
  if (platform === 'linux') return;
  throw new CarpError('CARP_NO_TRANSPORT', `real interfaces need Linux, and this is ${platform}`, {
    remedy: 'run the agent on a Linux host and connect to it, or set `transport: memory` to simulate',
  });
};

export const linuxSurroundings = (basics: Basics, platform: NodeJS.Platform = process.platform): RealSurroundings => {
  const leases = new Map<string, Leases>();
  const archives = new Map<string, DiskReplayArchive>();
  let linux: Linux | undefined;

  const leasesOf = (folder: string, leasesIn: Linux['leasesIn']): Leases => {
    const known = leases.get(folder) ?? leasesIn(folder);
    leases.set(folder, known);
    return known;
  };

  const archiveIn = (folder: string): DiskReplayArchive => {
    const known = archives.get(folder) ?? createReplayArchive({ ...basics, folder });
    archives.set(folder, known);
    return known;
  };

  return {
    load: async () => {
      onLinux(platform);
      const problem = privilegeProblem();
      if (problem !== undefined) throw problem;
      linux ??= await loadLinux(basics);
    },
    environment: (place) => {
      const { group, state } = place;
      if (linux === undefined) throw new CarpError('CARP_NO_TRANSPORT', 'the system has not been loaded');
      const { leasesIn, devices, behindVirtualMac, announcer, interfaces } = linux;
      const adverts = transportOf(place, linux.transports);
      const plain = { transport: adverts, announcer, addresses: leasesOf(state, leasesIn) };
      const rest = { interfaces, replay: archiveIn(state), ...common(basics) };
      if (group.addressing === 'virtual-mac') return { ...behindVirtualMac(plain, group), ...rest };
      const leftover = devices.removeLeftover(group);
      if (leftover !== undefined) basics.log('warn', `removed ${leftover}, which a former agent left`);
      return { ...plain, ...rest };
    },
    sniffer: async () => {
      onLinux(platform);
      const problem = listeningProblem();
      if (problem !== undefined) throw problem;
      const { createSniffer } = await import('../adapters/linux/sniffer.ts');
      const { scheduler, wallClock } = basics;
      return createSniffer({ monotonic: () => scheduler.now(), wall: () => wallClock().getTime() });
    },
    settled: async () => {
      await Promise.all([...leases.values(), ...archives.values()].map((one) => one.settled()));
    },
  };
};
