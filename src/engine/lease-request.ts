import type { LeaseRequest } from '../ports/addresses.ts';
import { leaseSeconds } from '../protocol/timing.ts';
import type { GroupSettings } from './settings.ts';

/** What a MASTER of this group holds; nothing, if flows or hooks look after the addresses, or there are none. */
export const leaseRequest = (settings: GroupSettings): LeaseRequest | undefined =>
  settings.addressing === 'manual' || settings.addresses.length === 0
    ? undefined
    : {
        group: settings.name,
        interface: settings.interface,
        addresses: settings.addresses,
        seconds: leaseSeconds(settings.advbase, settings.deadratio),
      };
