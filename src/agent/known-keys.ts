import { createSigner } from '../adapters/node/hmac.ts';
import type { SegmentRules } from '../engine/segment-rules.ts';
import type { GroupSettings } from '../engine/settings.ts';
import { type Authenticator, authenticator } from '../protocol/authentication.ts';
import type { WatchParams } from './rpc.ts';
import { isSimulated, type Place } from './world.ts';

/**
 * Checks the digests of adverts on one segment with the keys of the groups that this agent serves there. Of other virtual
 * hosts nothing is known: their digests stay `unchecked`.
 *
 * @param places - of all groups, asked anew for each advert: a reload may change them
 */
export const digestRules = (
  { interface: name, simulated = false }: WatchParams,
  places: () => readonly Place[],
): SegmentRules => {
  const known = new WeakMap<GroupSettings, Authenticator>();
  const authenticatorOf = (group: GroupSettings): Authenticator => {
    const made = known.get(group) ?? makeAuthenticator(group);
    known.set(group, made);
    return made;
  };
  return {
    verify: (advert) => {
      const candidates = places().filter(
        (place) =>
          isSimulated(place) === simulated && place.group.interface === name && place.group.vhid === advert.vhid,
      );
      if (candidates.length === 0) return 'unchecked';
      return candidates.some(({ group }) => authenticatorOf(group).verify(advert) !== undefined) ? 'ok' : 'bad';
    },
  };
};

const makeAuthenticator = ({ vhid, addresses, lladdr: mac, key }: GroupSettings): Authenticator => {
  const list = { vhid, addresses: addresses.map(({ address }) => address), ...(mac === undefined ? {} : { mac }) };
  return authenticator(list, createSigner(key));
};
