import { type Converted, strtoul } from '../config/import/strtoul.ts';

export interface NumberRule {
  readonly from: number;
  readonly to: number;
  /** Where ucarp stores it, and so what becomes of larger ones: 8 or 32 bits. `refused`: it looks beforehand. */
  readonly ucarpKeeps: 8 | 32 | 'refused';
}

export type NumberRead =
  | { readonly ok: true; readonly value: number; readonly hint?: string }
  | { readonly ok: false; readonly problem: string };

const fate = ({ value }: Converted, { from, to, ucarpKeeps }: NumberRule): string => {
  const kept = ucarpKeeps === 'refused' ? value : BigInt.asUintN(ucarpKeeps, value);
  const isRefused = ucarpKeeps === 'refused' && (kept < BigInt(from) || kept > BigInt(to));
  return isRefused ? 'ucarp refuses it, too' : `ucarp would have taken ${kept}`;
};

/**
 * Reads a number as ucarp does (decimal, `0x` hexadecimal, `0` octal), without what ucarp is silent about: leftovers,
 * signs, and values that do not fit.
 */
export const readNumber = (text: string, rule: NumberRule): NumberRead => {
  const read = strtoul(text);
  const range = `a whole number from ${rule.from} to ${rule.to}`;
  const isWhole = read.rest === '' && /^\s*\+?[0-9]/.test(text);
  const value = Number(read.value);
  if (!isWhole || value < rule.from || value > rule.to)
    return { ok: false, problem: `must be ${range}, but is ${JSON.stringify(text.slice(0, 40))}; ${fate(read, rule)}` };
  const isOctal = /^\s*\+?0[0-7]/.test(text);
  return isOctal && Number.parseInt(text.trim(), 10) !== value
    ? { ok: true, value, hint: `${text.trim()} begins with 0, so that it is octal and means ${value}, as for ucarp` }
    : { ok: true, value };
};
