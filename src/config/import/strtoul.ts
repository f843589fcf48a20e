/** What C makes of a number: strtoul(3) with base 0, in 64 bits, as ucarp calls it: `0x10`, `010`, and what stands before other characters. */
export interface Converted {
  readonly value: bigint;
  /** What was left over, and is ignored by ucarp. */
  readonly rest: string;
}

const ULONG_MAX = 2n ** 64n - 1n;

/** Of a number with base 0. What has no digits is 0, and all of it is left over. */
export const strtoul = (text: string): Converted => {
  const [all = '', sign = '', digits = ''] = /^\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/.exec(text) ?? [];
  const isOctal = /^0[0-7]/.test(digits);
  const magnitude = digits === '' ? 0n : BigInt(isOctal ? `0o${digits.slice(1)}` : digits);
  const bounded = magnitude > ULONG_MAX ? ULONG_MAX : magnitude;
  // Also of the largest one: -18446744073709551616 is ULONG_MAX, as C has it, and not 1.
  const value = sign === '-' && magnitude <= ULONG_MAX ? BigInt.asUintN(64, -bounded) : bounded;
  return { value, rest: text.slice(all.length) };
};
