import { CarpError } from '../ports/error.ts';

interface Reserved {
  readonly pattern: RegExp;
  readonly remedy: string;
}

/** Reasons that belong to the agent, which enters and clears them itself. */
const RESERVED: readonly Reserved[] = [
  { pattern: /^maintenance$/, remedy: 'use: carp maintenance on, carp maintenance off' },
  { pattern: /^observe$/, remedy: 'use: carp observe on, carp observe off' },
  { pattern: /^stalled$/, remedy: 'it ends when the program that the agent belongs to answers again' },
  { pattern: /^send-errors$/, remedy: 'it ends when the host can send again: `carp status` counts sendErrors' },
  {
    pattern: /^address-failed$/,
    remedy: 'it ends when the shared addresses can be held: `carp status` says what is wrong',
  },
  { pattern: /^link-down( |$)/, remedy: 'it ends when the link is up again: ip link' },
  { pattern: /^track( |:|$)/, remedy: 'it ends when the tracked command succeeds again' },
];

/** @throws CarpError CARP_CONFIG: this reason is not for operators, and what to do instead */
export const refuseReserved = (reason: string): void => {
  const reserved = RESERVED.find(({ pattern }) => pattern.test(reason));
  if (reserved === undefined) return;
  throw new CarpError(
    'CARP_CONFIG',
    `the reason "${reason}" belongs to the agent itself, as do maintenance, observe, stalled, send-errors, address-failed, link-down … and track …`,
    { remedy: reserved.remedy },
  );
};
