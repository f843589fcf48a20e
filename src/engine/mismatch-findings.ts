import { type Observable, Subject } from 'rxjs';
import type { Environment } from '../ports/environment.ts';
import type { Log } from '../ports/log.ts';
import type { Packet } from '../ports/transport.ts';
import type { Family, IpAddress } from '../protocol/address.ts';
import type { AdvSkew } from '../protocol/units.ts';
import type { Refusal } from './inbound.ts';
import type { Finding, Traits } from './mismatch.ts';
import { ProfileHints } from './mismatch-hints.ts';
import type { Surgery } from './mismatch-surgery.ts';
import { MismatchWatch } from './mismatch-watch.ts';
import type { GroupSettings } from './settings.ts';
import type { GroupStatus } from './status.ts';

export interface FindingsOptions {
  readonly settings: GroupSettings;
  readonly node: string;
  readonly environment: Pick<Environment, 'signer' | 'interfaces' | 'scheduler' | 'wallClock'>;
  readonly surgery: Surgery;
  readonly log: Log;
  /** The address of this host in a family, where it has one now. */
  readonly ownSource: (family: Family) => IpAddress | undefined;
  /** That of this host now, without demotion: an operator may have set it. */
  readonly ownSkew: () => AdvSkew;
}

/** What one group finds out about its peers, from what they send. */
export class Findings {
  readonly #mismatches: MismatchWatch;
  readonly #hints: ProfileHints;
  readonly #events$ = new Subject<Finding>();

  constructor(options: FindingsOptions) {
    this.#mismatches = new MismatchWatch(options);
    this.#mismatches.events$.subscribe(this.#events$);
    this.#hints = new ProfileHints({ ...options, wallClock: options.environment.wallClock });
  }

  /** Hot; completes with `close`. */
  get events$(): Observable<Finding> {
    return this.#events$;
  }

  /** What the status says of it: nothing where there is nothing. */
  status(): Pick<GroupStatus, 'mismatches' | 'hints'> {
    const mismatches = this.#mismatches.list;
    const hints = this.#hints.list;
    return { ...(mismatches.length === 0 ? {} : { mismatches }), ...(hints.length === 0 ? {} : { hints }) };
  }

  refused(packet: Packet, why: Refusal): void {
    this.#mismatches.refused(packet, why);
  }

  genuine(packet: Packet, traits: Traits): void {
    this.#mismatches.genuine(packet.source);
    const hint = this.#hints.heard(packet, traits);
    if (hint !== undefined) this.#events$.next(hint);
  }

  close(): void {
    this.#mismatches.close();
  }
}
