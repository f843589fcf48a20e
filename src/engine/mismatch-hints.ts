import type { Log } from '../ports/log.ts';
import type { Packet } from '../ports/transport.ts';
import { compareAddresses, type IpAddress } from '../protocol/address.ts';
import { hasValidChecksum } from '../protocol/advert.ts';
import { type Compatibility, DIALECTS } from '../protocol/dialect.ts';
import { advertInterval } from '../protocol/timing.ts';
import type { AdvSkew } from '../protocol/units.ts';
import { FINDINGS_MAX, type HintEvent, type Traits } from './mismatch.ts';
import type { GroupSettings } from './settings.ts';

export interface ProfileHintsOptions {
  readonly settings: GroupSettings;
  readonly node: string;
  readonly wallClock: () => Date;
  readonly log: Log;
  /** The address of this host in a family, where it has one now. */
  readonly ownSource: (family: 4 | 6) => IpAddress | undefined;
  readonly ownSkew: () => AdvSkew;
}

type Hint = Pick<HintEvent, 'compatibility' | 'detail' | 'remedy'>;

/**
 * Names the profile that would fit a peer that is understood but sends otherwise than this host. Nothing is changed by
 * it: what is sent depends on the settings alone (DESIGN D9). Each source is told once.
 */
export class ProfileHints {
  readonly #options: ProfileHintsOptions;
  readonly #hints = new Map<string, HintEvent>();

  constructor(options: ProfileHintsOptions) {
    this.#options = options;
  }

  /** Latest first. */
  get list(): readonly HintEvent[] {
    return [...this.#hints.values()].toReversed();
  }

  /** What there is to say about this advert, if it has not been said. */
  heard(packet: Packet, traits: Traits): HintEvent | undefined {
    const { settings, node, wallClock, log } = this.#options;
    const source = packet.source.text;
    const hint = this.#hintOf(packet, traits);
    if (hint === undefined || this.#hints.get(source)?.detail === hint.detail) return undefined;
    if (this.#hints.size >= FINDINGS_MAX && !this.#hints.has(source)) return undefined;
    const event: HintEvent = {
      event: 'profile-hint',
      group: settings.name,
      interface: settings.interface,
      vhid: settings.vhid,
      node,
      at: wallClock().toISOString(),
      source,
      ...hint,
    };
    this.#hints.set(source, event);
    log('warn', hint.detail, { remedy: hint.remedy });
    return event;
  }

  #hintOf(packet: Packet, traits: Traits): Hint | undefined {
    const { settings } = this.#options;
    const system = systemOf(packet, traits);
    if (system !== undefined)
      return system.compatibility === settings.compatibility ? undefined : withRemedy(system, settings.name);
    return this.#tieHint(packet, traits);
  }

  /**
   * ucarp compares equal hosts by the last octet of their addresses, others by the first. It cannot be told from a BSD by
   * what it sends: TOS and form are the same, and its Ethernet source is not seen here. But it has one IPv4 address only.
   */
  #tieHint({ family, source }: Packet, { advert }: Traits): Hint | undefined {
    const { settings, ownSource, ownSkew } = this.#options;
    const { addresses, advbase, compatibility } = settings;
    const advskew = ownSkew();
    const own = ownSource(4);
    if (family !== 4 || own === undefined || addresses.length !== 1 || compatibility === 'ucarp') return undefined;
    if (advertInterval(advert.advbase, advert.advskew) !== advertInterval(advbase, advskew)) return undefined;
    const wins = compareAddresses(own, source) < 0;
    if (wins === compareAddresses(reversed(own), reversed(source)) < 0) return undefined;
    return {
      compatibility: 'ucarp',
      detail:
        `${source.text} is as good as this host (advbase ${advbase}, advskew ${advskew}); if it is ucarp, the two do not ` +
        'agree whose address wins a tie',
      remedy: `give one of them another advskew; or, if that host runs ucarp, set \`compatibility: ucarp\` for ${settings.name}`,
    };
  }
}

const reversed = (address: IpAddress): IpAddress => ({ ...address, bytes: address.bytes.toReversed() });

/** The system whose way of sending this is, where that matters; from traits that no other system has. */
const systemOf = (
  { payload, source, family }: Packet,
  { advert, form }: Traits,
): Pick<Hint, 'compatibility' | 'detail'> | undefined => {
  const netbsd: Compatibility = 'netbsd';
  if (family === 6 && !hasValidChecksum(payload))
    return {
      compatibility: netbsd,
      detail: `${source.text} sums the IPv6 pseudo-header, as NetBSD does, and refuses adverts without (badsum)`,
    };
  if (form === DIALECTS.netbsd.form)
    return {
      compatibility: netbsd,
      detail: `${source.text} signs the automatic link-local address of its carp interface, as NetBSD does, and refuses adverts without (badauth)`,
    };
  if (form === DIALECTS.openbsd.form)
    return {
      compatibility: 'openbsd',
      detail: `${source.text} signs without link-local addresses, as OpenBSD does`,
    };
  if (advert.demotion !== 0)
    return {
      compatibility: 'openbsd',
      detail: `${source.text} tells its demotion in byte 4, as OpenBSD does, and looks for ours there`,
    };
  return undefined;
};

const withRemedy = (hint: Pick<Hint, 'compatibility' | 'detail'>, group: string): Hint => ({
  ...hint,
  remedy: `set \`compatibility: ${hint.compatibility}\` for ${group}, if all other hosts of the group run that system`,
});
