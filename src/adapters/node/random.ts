import { randomBytes } from 'node:crypto';

/** A random unsigned 64-bit number, fit for secrets. */
export const random64 = (): bigint => randomBytes(8).readBigUInt64BE();
