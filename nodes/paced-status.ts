import type { NodeStatus } from 'node-red';
import { sameStatus } from './status.ts';

export interface PacedStatus {
  readonly show: (status: NodeStatus) => void;
  readonly close: () => void;
}

/**
 * Shows a status that changes with every message at most so often; the last one is always shown in the end. Each goes
 * to every editor and to Status nodes.
 */
export const pacedStatus = (everyMs: number, show: (status: NodeStatus) => void): PacedStatus => {
  let shown: NodeStatus | undefined;
  let next: NodeStatus | undefined;
  let timer: NodeJS.Timeout | undefined;
  const showNow = (status: NodeStatus): void => {
    next = undefined;
    if (shown !== undefined && sameStatus(status, shown)) return;
    shown = status;
    show(status);
    timer = setTimeout(() => {
      timer = undefined;
      if (next !== undefined) showNow(next);
    }, everyMs).unref();
  };
  return {
    show: (status) => {
      if (timer === undefined) showNow(status);
      else next = status;
    },
    close: () => clearTimeout(timer),
  };
};
