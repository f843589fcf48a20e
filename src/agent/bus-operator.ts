import type { BusOperator } from '../adapters/mqtt/part.ts';
import type { Mode } from '../engine/mode.ts';
import type { Log } from '../ports/log.ts';
import type { Hosted } from './hosted.ts';
import type { MaintenanceStore } from './maintenance-store.ts';
import { modeOf } from './modes.ts';
import { createOperator } from './operator.ts';

export interface BusOperatorOptions {
  readonly host: Hosted;
  /** That of the agent. */
  readonly maintenance: MaintenanceStore;
  readonly log: Log;
}

export interface BusControl {
  /** Groups of this host. What it refuses, it refuses as `carp` does. */
  readonly operator: BusOperator;
  /** Costs little: it is asked with every event. */
  readonly modeOf: (group: string) => Mode;
}

/** What may be done to one host over the bus. Hand-over, mode and advskew act as the commands of the same name. */
export const createBusOperator = ({ host, maintenance, log }: BusOperatorOptions): BusControl => {
  const operator = createOperator({ hostOf: () => host, maintenance, log });
  return {
    operator: {
      handOver: (group, force) => host.handOver(group, force),
      setMode: async (group, mode) => {
        await operator.mode({ group, mode });
      },
      setAdvskew: (group, advskew) => operator.advskew({ group, advskew: advskew ?? null }),
    },
    modeOf: (group) => modeOf(maintenance.of(host.node), host.plan.config.groups, group),
  };
};
