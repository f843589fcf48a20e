import type { SchedulerLike } from 'rxjs';
import type { Sign } from '../protocol/authentication.ts';
import type { Addresses } from './addresses.ts';
import type { Announcer } from './announcer.ts';
import type { Interfaces } from './interfaces.ts';
import type { Log } from './log.ts';
import type { ReplayArchive } from './replay.ts';
import type { Transport } from './transport.ts';

/** All that an engine needs from the world. */
export interface Environment {
  readonly transport: Transport;
  readonly interfaces: Interfaces;
  readonly addresses: Addresses;
  readonly announcer: Announcer;
  /** Time: `now()` is a monotonic clock in milliseconds, `schedule` waits at least as long as it is told. */
  readonly scheduler: SchedulerLike;
  /** Wall-clock time, for the `at` of events and for nothing else. */
  readonly wallClock: () => Date;
  /** HMAC-SHA1 with this 20-byte key. */
  readonly signer: (key: Uint8Array) => Sign;
  /** A random unsigned 64-bit number, fit for secrets. */
  readonly random64: () => bigint;
  /** Where to keep what is remembered of adverts; missing: nowhere. */
  readonly replay?: ReplayArchive;
  readonly log: Log;
}
