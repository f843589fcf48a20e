import { readFileSync } from 'node:fs';
import { CarpError } from '../../ports/error.ts';
import { KOFFI } from './load-koffi.ts';

/** Bits of capability.h. */
const CAP_NET_ADMIN = 12n;

const setIn = (status: string, name: string): bigint => {
  const [, digits = '0'] = new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status) ?? [];
  return BigInt(`0x${digits}`);
};

const statusOf = (): string => readFileSync('/proc/self/status', 'utf8');

/**
 * Whether this process may do what the programs that it starts may not: capabilities that came with a file (setcap) end
 * with the next program, only root's and ambient ones are passed on (capabilities(7)). Then the error that says so, else
 * `undefined`.
 *
 * @param doing - what was tried, as in "changing addresses"
 */
export const noSpawnPermission = (
  doing: string,
  { status = statusOf(), uid = process.geteuid?.() ?? 0 } = {},
): CarpError | undefined => {
  const bit = 1n << CAP_NET_ADMIN;
  const isOurs = (setIn(status, 'CapEff') & bit) !== 0n;
  const isPassedOn = uid === 0 || (setIn(status, 'CapAmb') & bit) !== 0n;
  if (!isOurs || isPassedOn) return undefined;
  return new CarpError(
    'CARP_NO_PERMISSION',
    `${doing} is left to the program ip where the module koffi is missing, and the capabilities of a copy of node made with setcap are not passed on to it`,
    {
      remedy: [
        `install koffi, which needs no other program: npm install ${KOFFI}`,
        'or in the systemd unit, without that copy: AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN',
        'or run it as root: sudo carp run -c FILE',
      ].join('; '),
    },
  );
};
