import type { HeardAdvert } from '../machine/events.ts';
import { isBowOut } from '../machine/steps.ts';
import { masterDownTime } from '../protocol/timing.ts';
import { toExactMillis } from '../protocol/units.ts';
import type { PeerStatus } from './status.ts';

/** More speakers than that in one group are told apart by `carp watch`. */
export const PEERS_MAX = 16;
/** Who has been silent for so long is forgotten: it may have another address by now, or be scrapped. */
export const FORGET_MS = 24 * 3600 * 1000;
/**
 * Whoever goes on advertising beside a MASTER for longer than so many of its own intervals does not give way. One that
 * does says one advert more at most: BSD kernels and ours yield to the first advert that wins, ucarp reads once a second.
 */
const RIVAL_INTERVALS = 1.5;
/** And who was not heard for so many has given way, has gone, or an advert was lost: the next one shows which. */
const GIVEN_WAY_INTERVALS = 1.5;

/** Times on the monotonic clock, in ms. Changed in place: each advert of each group comes by here. */
interface Peer {
  readonly firstHeardAt: number;
  heardAt: number;
  /** Since when it advertises without having been silent. */
  speaksSince: number;
  /** It said farewell, and nothing since. */
  hasLeft: boolean;
  /** What it said last, but for a farewell: that has no rank. */
  advert: HeardAdvert;
  intervalMs: number;
  /** Silent for so long, it counts as gone. */
  downMs: number;
}

/**
 * Who else speaks for a group: the sources of genuine adverts, at most `PEERS_MAX`. BACKUPs are silent, so these are
 * present and former MASTERs. The source address is not signed; whoever is on the segment and repeats nothing that was
 * heard before knows the passphrase, though.
 */
export class Hearing {
  readonly #deadratio: number;
  readonly #peers = new Map<string, Peer>();
  #masterSince: number | undefined;

  constructor(deadratio: number) {
    this.#deadratio = deadratio;
  }

  /** @param at - on the monotonic clock, in ms */
  heard(advert: HeardAdvert, at: number): void {
    const { text } = advert.source;
    const peer = this.#peers.get(text) ?? this.#meet(text, advert, at);
    if (peer === undefined) return;
    if (isSilent(peer, at)) peer.speaksSince = at;
    peer.heardAt = at;
    peer.hasLeft = isBowOut(advert);
    if (peer.hasLeft) return;
    const { advbase, advskew, interval } = advert;
    peer.advert = advert;
    peer.intervalMs = toExactMillis(interval);
    peer.downMs = toExactMillis(masterDownTime(advbase, advskew, this.#deadratio));
  }

  /** This host has been MASTER since then, or (`undefined`) is not. */
  reigns(since: number | undefined): void {
    this.#masterSince = since;
  }

  /** In the order in which they were first heard. @param wallClock - the same moment as `now`, in ms since 1970 */
  peers(now: number, wallClock: number): readonly PeerStatus[] {
    const isoTime = (at: number): string => new Date(wallClock - Math.round(now - at)).toISOString();
    const peers: PeerStatus[] = [];
    for (const [address, peer] of this.#peers) {
      if (now - peer.heardAt > FORGET_MS) {
        this.#peers.delete(address);
        continue;
      }
      const { family, advbase, advskew, demotion } = peer.advert;
      peers.push({
        address,
        family,
        state: isSilent(peer, now) ? 'silent' : 'advertising',
        ...(this.#isRival(peer, now) ? { rival: true } : {}),
        advbase,
        advskew,
        demotion,
        firstHeard: isoTime(peer.firstHeardAt),
        lastHeard: isoTime(peer.heardAt),
        lastHeardMs: Math.round(now - peer.heardAt),
      });
    }
    return peers;
  }

  #isRival(peer: Peer, now: number): boolean {
    if (this.#masterSince === undefined || isSilent(peer, now)) return false;
    const { heardAt, speaksSince, intervalMs } = peer;
    const beside = heardAt - Math.max(this.#masterSince, speaksSince);
    return beside > RIVAL_INTERVALS * intervalMs && now - heardAt <= GIVEN_WAY_INTERVALS * intervalMs;
  }

  #meet(address: string, advert: HeardAdvert, at: number): Peer | undefined {
    if (this.#peers.size >= PEERS_MAX && !this.#makeRoom(at)) return undefined;
    const times = { firstHeardAt: at, heardAt: at, speaksSince: at, intervalMs: 0, downMs: 0 };
    const peer: Peer = { ...times, hasLeft: false, advert };
    this.#peers.set(address, peer);
    return peer;
  }

  /** Who has been silent for longest gives way; who speaks does not. */
  #makeRoom(now: number): boolean {
    let oldest: string | undefined;
    let heardAt = Number.POSITIVE_INFINITY;
    for (const [address, peer] of this.#peers) {
      if (!isSilent(peer, now) || peer.heardAt >= heardAt) continue;
      oldest = address;
      heardAt = peer.heardAt;
    }
    return oldest !== undefined && this.#peers.delete(oldest);
  }
}

const isSilent = ({ hasLeft, heardAt, downMs }: Peer, now: number): boolean => hasLeft || now - heardAt > downMs;
