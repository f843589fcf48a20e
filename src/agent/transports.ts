import type { GroupConfig } from '../config/types.ts';
import { CarpError } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';
import type { Transport } from '../ports/transport.ts';

/** How a group wants its adverts sent: on a real interface. */
export type TransportChoice = Exclude<GroupConfig['transport'], 'memory'>;

export interface TransportMakers {
  /** @throws CarpError CARP_NO_TRANSPORT */
  readonly koffi: () => Transport;
  /** @throws CarpError CARP_NO_TRANSPORT */
  readonly rawSocket: () => Transport;
  readonly log: Log;
}

/** Gives the transport for a choice. @throws CarpError CARP_NO_TRANSPORT, with the commands that help */
export type Transports = (choice: TransportChoice) => Transport;

const orProblem = (make: () => Transport): Transport | CarpError => {
  try {
    return make();
  } catch (error) {
    if (error instanceof CarpError && error.code === 'CARP_NO_TRANSPORT') return error;
    throw error;
  }
};

const neither = (koffi: CarpError, rawSocket: CarpError): CarpError =>
  new CarpError(
    'CARP_NO_TRANSPORT',
    `there is no native module to send adverts with: ${koffi.message}; ${rawSocket.message}`,
    {
      remedy: `${koffi.remedy}; or, ${rawSocket.remedy}`,
      cause: koffi,
    },
  );

/**
 * koffi needs no compiler, sees hop limits and filters in the kernel: `auto` takes it wherever it loads, else raw-socket.
 * What has loaded is kept; what has not is tried again by the next group.
 */
export const transports = ({ koffi, rawSocket, log }: TransportMakers): Transports => {
  const made = new Map<TransportChoice, Transport>();
  const automatic = (): Transport => {
    const first = orProblem(koffi);
    if (!(first instanceof CarpError)) return first;
    const second = orProblem(rawSocket);
    if (second instanceof CarpError) throw neither(first, second);
    log('warn', `adverts go through raw-socket: ${first.message}`, { remedy: first.remedy });
    return second;
  };
  const makers = { auto: automatic, koffi, 'raw-socket': rawSocket } as const satisfies Record<
    TransportChoice,
    () => Transport
  >;
  return (choice) => {
    const transport = made.get(choice) ?? makers[choice]();
    made.set(choice, transport);
    return transport;
  };
};
