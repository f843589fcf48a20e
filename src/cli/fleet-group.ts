import type { NodeStatus } from '../adapters/mqtt/view/bus-payloads.ts';
import type { PublicRole } from '../engine/status.ts';

export interface FleetMember {
  readonly node: string;
  /** `unknown`: it has not said whether it lives. */
  readonly status: NodeStatus | 'unknown';
  /** Whether it is there and speaks: what it said last is true only then. */
  readonly alive: boolean;
  readonly role?: PublicRole;
  readonly reason?: string;
  readonly detail?: string;
  readonly advskew?: number;
  readonly demotion?: number;
  readonly mode?: string;
  /** Shared addresses by what it says of each. Missing: it says nothing of them. */
  readonly held?: readonly string[];
  readonly absent?: readonly string[];
  /** What keeps the group from working there. */
  readonly problem?: string;
  /** How long ago it spoke of this group, in ms. Missing: never, or so long ago that the broker has forgotten. */
  readonly ageMs?: number;
}

export interface FleetMaster {
  readonly node: string;
  readonly address: string;
  readonly since?: string;
  /** Whether that node is there, and says so still. */
  readonly confirmed: boolean;
}

/** `alarm`: somebody has to act. `warning`: somebody may want to know. */
export interface FleetFinding {
  readonly severity: 'alarm' | 'warning';
  readonly code: string;
  readonly text: string;
  readonly since?: string;
  /** The node that said so on the bus. Missing: it is what `carp fleet` sees. */
  readonly by?: string;
}

export interface FleetGroup {
  readonly group: string;
  readonly vhid?: number;
  /** Who is MASTER, or was the last that claimed to be. */
  readonly master?: FleetMaster;
  readonly findings: readonly FleetFinding[];
  readonly members: readonly FleetMember[];
}
