import { CarpError } from '../../ports/error.ts';

/** @param what - what is wrong with it; by default that it does not exist */
export const noInterface = (name: string, what = `there is no interface ${name}`, cause?: unknown): CarpError =>
  new CarpError('CARP_NO_INTERFACE', what, { remedy: 'list the interfaces of this host: ip link', cause });
