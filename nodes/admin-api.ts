/** What the editor asks the admin routes for, and what it gets. Both halves are compiled against it. */
import type { DemotionReceipt, HandOverReceipt } from '../src/agent/rpc.ts';
import type { BusStatus, GroupStatus } from '../src/engine/status.ts';
import type { Problem } from '../src/ports/error.ts';
import type { GroupOverview } from './overview.ts';

/** `GET carp/interfaces`: those of the host of this Node-RED, without the loopback. */
export interface InterfaceInfo {
  readonly name: string;
  /** With prefix: `192.0.2.11/24`. Empty: it has none. */
  readonly addresses: readonly string[];
}

/** One group of `GET carp/status`. */
export interface SidebarGroup extends GroupOverview {
  /** All that its agent knows. Missing while there is no answer: `view` has the last that was heard. */
  readonly status?: GroupStatus;
  /** How its host stands with its MQTT broker. Missing: it has none, or there is no answer. */
  readonly bus?: BusStatus;
}

/** `GET carp/status` */
export interface SidebarStatus {
  readonly groups: readonly SidebarGroup[];
  /** Clock of the host, ISO 8601: the browser's may be another. */
  readonly at: string;
}

/** `POST carp/hand-over` */
export interface HandOverBody {
  /** Id of the carp-group node. */
  readonly id: string;
  /** Release the addresses also when nobody takes over. */
  readonly force?: boolean;
}
export type HandOverAnswer = HandOverReceipt;

/** `POST carp/maintenance`, `POST carp/observe` */
export interface ModeBody {
  readonly id: string;
  readonly on: boolean;
  /** Missing: `group`. */
  readonly scope?: 'group' | 'host';
}
export type ModeAnswer = DemotionReceipt;

/** `POST carp/restore`: takes an entry of the demotion ledger back. */
export interface RestoreBody {
  readonly id: string;
  readonly reason: string;
  readonly scope?: 'group' | 'host';
}
export type RestoreAnswer = DemotionReceipt;

/** Every answer that is no success has this body. */
export type AdminProblem = Omit<Problem, 'code'> & { readonly code: Problem['code'] | 'CARP_BAD_REQUEST' };

/** Comms topic: something is different, ask again. Its data is a number that grows, and nothing else. */
export const CHANGED_TOPIC = 'carp/changed';
