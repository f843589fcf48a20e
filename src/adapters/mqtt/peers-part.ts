/** `<group>/node/<node>/peers/<address>`: who else speaks for a group, as this host hears it on the wire. */
import type { PeerStatus } from '../../engine/status.ts';
import type { CreatePart } from './part.ts';
import type { PeerReport } from './payloads.ts';
import { addressTopic } from './topics.ts';

/** A host of more groups is asked less often: all that is known of 255 groups takes some milliseconds to put together. */
const MANY = { groups: 32, everyMs: 1000 } as const;

/**
 * News (another state, another rank, a rival that comes or goes) are told at once; that a peer is heard once more is told
 * with the next refresh. Who is forgotten is taken back; of groups that were removed, `leftoverPart` takes back everything.
 */
export const peersPart: CreatePart = ({ host, voice, scope, settings, now, wallClock }) => {
  const refreshMs = settings.refresh * 1000;
  /** By topic: the group, and what was told of the peer. */
  const told = new Map<string, { readonly group: string; readonly news: string }>();
  let refreshedAt = Number.NEGATIVE_INFINITY;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let groupCount = 0;

  const tell = (): void => {
    if (groupCount > MANY.groups && now() - lookedAt < MANY.everyMs) return;
    lookedAt = now();
    const isRefresh = now() - refreshedAt >= refreshMs;
    if (isRefresh) refreshedAt = now();
    const at = wallClock().toISOString();
    const present = new Set<string>();
    const groups = new Set<string>();
    for (const { group, peers } of host.peers()) {
      groups.add(group);
      for (const peer of peers) {
        const topic = addressTopic(scope, group, 'peers', peer.address);
        present.add(topic);
        const news = newsOf(peer);
        const isNews = told.get(topic)?.news !== news;
        if (!isNews && !isRefresh) continue;
        told.set(topic, { group, news });
        voice.keep(topic, JSON.stringify(reportOf(peer, at)), { lane: 'background', expires: true });
      }
    }
    groupCount = groups.size;
    for (const [topic, { group }] of told) {
      if (present.has(topic)) continue;
      told.delete(topic);
      if (groups.has(group)) voice.clear(topic);
    }
  };

  return { filters: [], begin: tell, tick: tell };
};

/** What is worth a message of its own. */
const newsOf = ({ state, rival, advbase, advskew, demotion }: PeerStatus): string =>
  `${state} ${rival === true} ${advbase} ${advskew} ${demotion}`;

const reportOf = (
  { address, state, rival, advbase, advskew, demotion, firstHeard, lastHeard }: PeerStatus,
  at: string,
): PeerReport => ({
  address,
  state,
  ...(rival === undefined ? {} : { rival }),
  advbase,
  advskew,
  demotion,
  firstHeard,
  lastHeard,
  at,
});
