import type { GroupSettings } from '../engine/settings.ts';
import type { Environment } from '../ports/environment.ts';
import { CarpError, type Problem, problemOf } from '../ports/error.ts';
import type { Place, World } from './world.ts';

/** What the groups of one host run in, and why some have nothing to run in. */
export class GroupEnvironments {
  readonly #world: World;
  #found = new Map<string, { readonly kind: string; readonly environment: Environment }>();
  #refused = new Map<string, Problem>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Groups without an environment, and why: the next `settle` tries again. */
  get refused(): ReadonlyMap<string, Problem> {
    return this.#refused;
  }

  has(group: string): boolean {
    return this.#found.has(group);
  }

  /** @throws CarpError CARP_NO_GROUP */
  of({ name }: GroupSettings): Environment {
    const found = this.#found.get(name);
    if (found === undefined) throw new CarpError('CARP_NO_GROUP', `there is no group ${name}`);
    return found.environment;
  }

  /** Finds environments for all these groups. Returns those that ran in another one. */
  settle(places: readonly Place[]): ReadonlySet<string> {
    const before = this.#found;
    this.#found = new Map();
    this.#refused = new Map();
    const moved = new Set<string>();
    for (const place of places) {
      const { name } = place.group;
      const kind = kindOf(place);
      const present = before.get(name);
      if (present?.kind === kind) {
        this.#found.set(name, present);
        continue;
      }
      try {
        this.#found.set(name, { kind, environment: this.#world.environment(place) });
        if (present !== undefined) moved.add(name);
      } catch (error) {
        this.#refused.set(name, problemOf(error));
      }
    }
    return moved;
  }
}

/**
 * Settings do not say which transport a group uses, nor which folder has its leases; and an environment with a virtual
 * MAC is made for one virtual host.
 */
const kindOf = ({ transport, state, group: { addressing, interface: device, vhid, lladdr } }: Place): string =>
  [transport, state, ...(addressing === 'virtual-mac' ? [device, vhid, lladdr] : [])].join(' ');
