import type { GroupConfig } from '../config/types.ts';
import type { GroupSettings } from '../engine/settings.ts';
import type { Environment } from '../ports/environment.ts';
import type { CarpError } from '../ports/error.ts';
import type { Sniffer } from '../ports/sniffer.ts';
import type { Claim, Locks } from './locks.ts';

/** A group, and where it is to run. */
export interface Place {
  readonly node: string;
  readonly group: GroupSettings;
  readonly transport: GroupConfig['transport'];
  /** The folder for leases, and for what is remembered of adverts. */
  readonly state: string;
}

/** Makes environments of one kind, for the places of one agent. */
export interface Surroundings {
  /** Loads what is needed once. @throws (rejects) CarpError */
  readonly load: () => Promise<void>;
  /** Only after `load`. @throws CarpError */
  readonly environment: (place: Place) => Environment;
  /** For listening alone; loads what that needs. @throws (rejects) CarpError CARP_NO_PERMISSION, CARP_NO_TRANSPORT */
  readonly sniffer: () => Promise<Sniffer>;
}

export interface World {
  /** Gets ready for these groups. Never rejects: what failed is thrown by `environment`, for those groups alone. */
  readonly prepare: (places: readonly Place[]) => Promise<void>;
  /** Whether the last `prepare` made this group ready. */
  readonly isReady: (place: Place) => boolean;
  /** @throws CarpError why this group cannot run */
  readonly environment: (place: Place) => Environment;
  /** Of the simulated LAN, or of this machine. @throws (rejects) CarpError CARP_NO_PERMISSION, CARP_NO_TRANSPORT */
  readonly sniffer: (simulated: boolean) => Promise<Sniffer>;
  /** These are all groups there are; gives back what others used. */
  readonly keepOnly: (places: readonly Place[]) => void;
}

export interface WorldOptions {
  /** For `transport: memory`. */
  readonly memory: Surroundings;
  /** For all others. */
  readonly real: Surroundings;
  readonly locks: Locks;
}

/** Whether this group is only played: it needs no privileges and disturbs nobody. */
export const isSimulated = ({ transport }: Pick<Place, 'transport'>): boolean => transport === 'memory';

const idOf = ({ node, group }: Place): string => `${node}/${group.name}`;
const claimOf = (place: Place): Claim => ({
  interface: place.group.interface,
  vhid: place.group.vhid,
  owner: idOf(place),
});

/** Where groups run: on a LAN in this process, or on this machine's interfaces, each of which may be out of reach. */
export const createWorld = ({ memory, real, locks }: WorldOptions): World => {
  const refused = new Map<string, unknown>();
  const of = (place: Place): Surroundings => (isSimulated(place) ? memory : real);

  const ready = async (place: Place): Promise<void> => {
    try {
      await of(place).load();
      if (!isSimulated(place)) await locks.acquire(claimOf(place));
      refused.delete(idOf(place));
    } catch (error) {
      refused.set(idOf(place), error);
    }
  };

  return {
    prepare: async (places) => {
      // One after the other: of two groups that want the same lock, the first in the configuration gets it.
      for (const place of places) await ready(place);
    },
    isReady: (place) => !refused.has(idOf(place)),
    environment: (place) => {
      const problem = refused.get(idOf(place));
      if (problem !== undefined) throw problem;
      return of(place).environment(place);
    },
    sniffer: (simulated) => (simulated ? memory : real).sniffer(),
    keepOnly: (places) => {
      locks.keepOnly(places.filter((place) => !isSimulated(place)).map(claimOf));
      const ids = new Set(places.map(idOf));
      for (const id of refused.keys()) if (!ids.has(id)) refused.delete(id);
    },
  };
};

/** Surroundings that are not to be had, and why. */
export const noSurroundings = (problem: CarpError): Surroundings => ({
  load: () => Promise.reject(problem),
  environment: () => {
    throw problem;
  },
  sniffer: () => Promise.reject(problem),
});
