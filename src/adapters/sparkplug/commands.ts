import { CarpError } from '../../ports/error.ts';
import type { BusHost } from '../mqtt/part.ts';
import { MAINTENANCE, REBIRTH } from './metrics.ts';
import type { PayloadCodec } from './payload.ts';

/** What a host application may order. */
export type SparkplugOrder =
  | { readonly type: 'rebirth' }
  | { readonly type: 'maintenance'; readonly on: boolean }
  /** Nothing that is known here, or no payload at all. */
  | { readonly type: 'unknown' };

const BYTES_MAX = 16_384;
const METRICS_MAX = 256;

/** Reads an NCMD or a DCMD: the first metric that can be obeyed. Never throws. */
export const readOrder = (codec: PayloadCodec, bytes: Uint8Array): SparkplugOrder => {
  for (const { name, value } of metricsIn(codec, bytes)) {
    if (name === REBIRTH && value === true) return { type: 'rebirth' };
    if (name === MAINTENANCE && typeof value === 'boolean') return { type: 'maintenance', on: value };
  }
  return { type: 'unknown' };
};

const metricsIn = (
  codec: PayloadCodec,
  bytes: Uint8Array,
): readonly { readonly name?: unknown; readonly value?: unknown }[] => {
  if (bytes.length > BYTES_MAX) return [];
  try {
    const payload = codec.decodePayload(bytes);
    if (typeof payload !== 'object' || payload === null || !('metrics' in payload)) return [];
    const { metrics } = payload;
    return Array.isArray(metrics) ? metrics.slice(0, METRICS_MAX).filter(isObject) : [];
  } catch {
    return [];
  }
};

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

const OBSERVES = new CarpError('CARP_FAILED', 'it only observes', { remedy: 'end that first: carp observe off' });

/** How soon a group may be brought into another mode again. */
const APART_MS = 1000;

export interface MaintenanceDesk {
  readonly wish: (group: string, on: boolean) => void;
  /** From time to time. @param now - ms, monotonic */
  readonly work: (now: number) => void;
}

/**
 * Brings groups into maintenance and back: of many orders the last, one at a time for each group and one a second, so that
 * nobody makes a host write its state more often than that. Who observes goes on observing, whatever is ordered: in
 * maintenance a group is still the last resort.
 *
 * @param failed - told what was refused, and why
 */
export const createMaintenanceDesk = (
  { operator, modeOf }: Pick<BusHost, 'operator' | 'modeOf'>,
  failed: (group: string, error: unknown) => void,
): MaintenanceDesk => {
  const wishes = new Map<string, boolean>();
  const busy = new Set<string>();
  const workedAt = new Map<string, number>();
  return {
    wish: (group, on) => void wishes.set(group, on),
    work: (now) => {
      for (const [group, on] of wishes) {
        if (busy.has(group) || now - (workedAt.get(group) ?? Number.NEGATIVE_INFINITY) < APART_MS) continue;
        wishes.delete(group);
        const mode = modeOf(group);
        if ((mode === 'maintenance') === on) continue;
        workedAt.set(group, now);
        if (mode === 'observe') {
          failed(group, OBSERVES);
          continue;
        }
        busy.add(group);
        operator
          .setMode(group, on ? 'maintenance' : 'normal')
          .catch((error: unknown) => failed(group, error))
          .finally(() => busy.delete(group));
      }
    },
  };
};
