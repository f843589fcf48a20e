import { createAnnouncer } from '../adapters/linux/announcer.ts';
import { createIprouteAnnouncer } from '../adapters/linux/iproute-announcer.ts';
import { createIprouteKernel } from '../adapters/linux/iproute-kernel.ts';
import { createKernel, type Kernel } from '../adapters/linux/kernel.ts';
import { libc as systemLibc } from '../adapters/linux/libc.ts';
import { loadRawSocket } from '../adapters/raw-socket/load-raw-socket.ts';
import type { Announcer } from '../ports/announcer.ts';
import { CarpError } from '../ports/error.ts';
import type { Log } from '../ports/log.ts';

/** How addresses are set and announced. */
export interface KernelAccess {
  readonly kernel: Kernel;
  readonly announcer: Announcer;
}

/**
 * Through koffi where it loads, whatever the transport of adverts is: it is faster, and needs no other program. Else
 * through those of the system, which is told once.
 *
 * @throws CarpError CARP_NO_TRANSPORT where there is neither koffi nor iproute2
 */
export const kernelAccess = (log: Log, libc = systemLibc): KernelAccess => {
  try {
    return { kernel: createKernel(), announcer: createAnnouncer(libc()) };
  } catch (error) {
    if (!(error instanceof CarpError) || error.code !== 'CARP_NO_TRANSPORT') throw error;
    const access = {
      kernel: createIprouteKernel({ log }),
      announcer: createIprouteAnnouncer({ log, rawSocket: () => loadRawSocket() }),
    };
    const message = `addresses are set through the program ip, and announced through arping and raw-socket: ${error.message}`;
    log('warn', message, { remedy: error.remedy });
    return access;
  }
};
