import { usageError } from './options.ts';

const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * A length of time such as `90s`, `10m`, `2h` or `1d`, in ms.
 * @param maxMs - the longest that is possible
 * @throws CarpError CARP_CONFIG
 */
export const spanOption = (command: string, text: string, maxMs: number): number => {
  const [, digits = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const ms = Number(digits) * (UNIT_MS[unit as keyof typeof UNIT_MS] ?? Number.NaN);
  if (ms >= 1 && ms <= maxMs) return ms;
  const days = Math.floor(maxMs / UNIT_MS.d);
  throw usageError(command, `"${text}" is no time from 1s to ${days}d; write for instance 90s, 10m, 2h or 1d`);
};
