/** Groups of a flow that cannot run beside each other (`CARP_DUPLICATE`). Pure. */

/** What counts of a carp-group. */
export interface Seat {
  readonly id: string;
  readonly group: unknown;
  readonly host: unknown;
  readonly mode: unknown;
  readonly interface: unknown;
  readonly vhid: unknown;
  /** Disabled. */
  readonly d?: boolean | undefined;
}

export interface Twin<Group> {
  readonly other: Group;
  /** What both have: one name, or one VHID on one interface. */
  readonly same: 'name' | 'vhid';
}

/**
 * The group that would keep this one from running: on the same host, with the same name, or the same VHID on the same
 * interface. What a system service runs is the service's affair.
 */
export const twinOf = <Group extends Seat>(one: Seat, all: readonly Group[]): Twin<Group> | undefined => {
  if (one.mode === 'service') return undefined;
  for (const other of all) {
    if (other.id === one.id || other.d === true || other.mode === 'service') continue;
    if (word(other.host) !== word(one.host)) continue;
    if (word(other.group) === word(one.group)) return { other, same: 'name' };
    if (word(other.interface) === word(one.interface) && word(other.vhid) === word(one.vhid))
      return { other, same: 'vhid' };
  }
  return undefined;
};

const word = (value: unknown): string => String(value ?? '').trim();
