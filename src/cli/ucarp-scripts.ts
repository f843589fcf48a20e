import { firstValueFrom, NEVER, Subject } from 'rxjs';
import { type CommandOutcome, lastLine, runCommand } from '../adapters/hooks/command.ts';
import type { Lease, LeaseEvent } from '../ports/addresses.ts';
import type { Environment } from '../ports/environment.ts';
import type { Log } from '../ports/log.ts';
import { type Cidr, type IpAddress, sameAddress } from '../protocol/address.ts';

/** What a script is to bring about. */
export type Direction = 'up' | 'down';

export interface ScriptsOptions {
  /** Absolute names; a missing one is a step that does nothing. */
  readonly scripts: { readonly [direction in Direction]?: string };
  readonly interface: string;
  readonly addresses: readonly Cidr[];
  /** Third argument of the scripts. */
  readonly xparam?: string;
  readonly timeoutMs: number;
  /** Whether this host has the address now, on whatever interface. */
  readonly has: (address: IpAddress) => boolean;
  /** Whether the scripts set the addresses, or are only told of it. */
  readonly holdAddresses: boolean;
  readonly log: Log;
  /** What the scripts print. */
  readonly onOutput: (text: string, stream: 'stdout' | 'stderr') => void;
  /** How much longer than the engine wants it an address stays; default: `HEAD_START_MS`. */
  readonly headStartMs?: number;
  /** @default runs the command */
  readonly run?: (command: readonly string[]) => Promise<CommandOutcome>;
}

/**
 * A successor of ours claims, and then runs its up script, while this host runs its down script: whichever is quicker
 * decides whether there are two holders for a moment, whose neighbours have been told of the new one, or none.
 */
const HEAD_START_MS = 100;
/** Neighbours that were deaf for a moment hear it again, after a script that took longer than the engine's first burst. */
const ANNOUNCE = { count: 3, gapMs: 100 } as const;

/**
 * The up and the down script of one virtual host, called as ucarp calls them: `SCRIPT IF ADDRESS [XPARAM]`, once for each
 * address, in their order.
 *
 * One runs at a time, and none is ended before its time is over: an `ifup` that is killed half-way leaves an address that
 * no `ifdown` finds again. What is wanted when it has ended decides what runs next; a wish that was taken back meanwhile
 * is not carried out. Adverts and reception go on all the time.
 */
export class VipScripts {
  readonly #options: ScriptsOptions;
  readonly #run: NonNullable<ScriptsOptions['run']>;
  readonly #failed$ = new Subject<LeaseEvent>();
  #wanted: Direction | undefined;
  #done: Direction | undefined;
  #running: Promise<void> | undefined;
  #announce: (() => void) | undefined;

  constructor(options: ScriptsOptions) {
    this.#options = options;
    const { timeoutMs, onOutput } = options;
    const environment = Object.fromEntries(Object.entries(process.env).map(([name, value]) => [name, value ?? '']));
    this.#run =
      options.run ??
      ((command) => firstValueFrom(runCommand(command, { environment, timeoutMs, cancel$: NEVER, onOutput })));
  }

  /** The host begins as BACKUP: what a predecessor left behind goes, unless a MASTER came about in the meantime. */
  begin({ neutral }: { readonly neutral: boolean }): void {
    if (this.#wanted !== undefined) return;
    if (neutral) {
      this.#wanted = 'down';
      this.#done = 'down';
    } else this.#want('down');
  }

  /**
   * These ports, with scripts: they run when addresses are taken and released. Where they set the addresses themselves,
   * neighbours are told when the up script has ended, and an address that could not be set counts as lost.
   */
  around(environment: Environment): Environment {
    const { holdAddresses } = this.#options;
    const { addresses, announcer } = environment;
    const taking = (inner: Lease | undefined): Lease => {
      this.#want('up');
      return {
        ...inner,
        events$: inner?.events$ ?? this.#failed$,
        release: () => {
          inner?.release();
          this.#want('down');
        },
      };
    };
    if (!holdAddresses)
      return { ...environment, addresses: { ...addresses, take: (request) => taking(addresses.take(request)) } };
    return {
      ...environment,
      addresses: {
        check: () => undefined,
        take: () => taking(undefined),
        inherits: () => false,
        disinherit: () => undefined,
      },
      announcer: { announce: (name, those) => this.#announceInTime(those, () => announcer.announce(name, those)) },
    };
  }

  /** Resolves when no script runs and none is to be run. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  #want(direction: Direction): void {
    this.#wanted = direction;
    this.#announce = undefined;
    this.#running ??= this.#work();
  }

  async #work(): Promise<void> {
    // Not within the step of the engine that wants it.
    await Promise.resolve();
    try {
      while (this.#wanted !== undefined && this.#wanted !== this.#done) {
        const direction = this.#wanted;
        if (direction === 'down' && this.#done === 'up' && (await this.#isWantedAgain())) continue;
        const failures = await this.#callForEach(direction);
        this.#done = direction;
        if (direction === 'up' && this.#wanted === 'up') this.#settleUp(failures);
      }
    } finally {
      // In the same turn as the last look at what is wanted: a wish that came between the two would be lost.
      this.#running = undefined;
    }
  }

  /** Whether the head start of a successor has shown that there is none. */
  async #isWantedAgain(): Promise<boolean> {
    const { holdAddresses, headStartMs = HEAD_START_MS } = this.#options;
    if (holdAddresses && headStartMs > 0) await new Promise((resolve) => setTimeout(resolve, headStartMs));
    return this.#wanted === 'up';
  }

  async #callForEach(direction: Direction): Promise<ReadonlyMap<Cidr, string>> {
    const { scripts, addresses, interface: device, xparam, log } = this.#options;
    const failures = new Map<Cidr, string>();
    const script = scripts[direction];
    if (script === undefined) return failures;
    for (const cidr of addresses) {
      const command = [script, device, cidr.address.text, ...(xparam === undefined ? [] : [xparam])];
      log('warn', `Spawning [${command.join(' ')}]`);
      const failure = failureOf(await this.#run(command));
      if (failure === undefined) continue;
      failures.set(cidr, failure);
      log('error', this.#verdict({ direction, cidr, failure }), {
        remedy: `try it by hand: ${command.map(shellWord).join(' ')}`,
      });
    }
    return failures;
  }

  #verdict({
    direction,
    cidr,
    failure,
  }: {
    readonly direction: Direction;
    readonly cidr: Cidr;
    readonly failure: string;
  }) {
    const { text } = cidr.address;
    const isThere = this.#options.has(cidr.address);
    const what = `the ${direction} script failed for ${text}: ${failure}`;
    if (!this.#options.holdAddresses) return what;
    if (direction === 'up')
      return isThere ? `${what}; the address is there all the same` : `${what}; ${text} is not on this host`;
    return isThere ? `${what}; ${text} is still on this host, and another host may have it too` : what;
  }

  /** A MASTER without its addresses is no use: another host may do better. */
  #settleUp(failures: ReadonlyMap<Cidr, string>): void {
    const { holdAddresses, has } = this.#options;
    const missing = [...failures].find(([{ address }]) => holdAddresses && !has(address));
    if (missing === undefined) {
      this.#announceLate();
      return;
    }
    const [address, failure] = missing;
    this.#failed$.next({ type: 'lost', address, message: `the up script failed: ${failure}` });
  }

  get #isUp(): boolean {
    return this.#wanted === 'up' && this.#done === 'up';
  }

  /** Before the script has set an address, its neighbours would be sent to somebody who does not know it yet. */
  #announceInTime(those: readonly IpAddress[], announce: () => void): void {
    const isShared = those.some((one) => this.#options.addresses.some(({ address }) => sameAddress(address, one)));
    if (!isShared || this.#isUp) announce();
    else if (this.#wanted === 'up') this.#announce = announce;
  }

  #announceLate(): void {
    const announce = this.#announce;
    if (announce === undefined) return;
    this.#announce = undefined;
    for (let i = 0; i < ANNOUNCE.count; i++)
      setTimeout(() => {
        if (this.#isUp) this.#attempt(announce);
      }, i * ANNOUNCE.gapMs).unref();
  }

  #attempt(announce: () => void): void {
    try {
      announce();
    } catch (error) {
      this.#options.log('warn', `cannot announce the addresses: ${error instanceof Error ? error.message : error}`);
    }
  }
}

const failureOf = (outcome: CommandOutcome): string | undefined => {
  switch (outcome.type) {
    case 'exited':
      if (outcome.code === 0) return undefined;
      return [`exit code ${outcome.code}`, lastLine(outcome.output)].filter((part) => part !== '').join(': ');
    case 'killed':
      return `it was ended after ${outcome.ms} ms, for it took too long`;
    case 'not-started':
      return outcome.message;
  }
};

const shellWord = (text: string): string =>
  /^[\w./:@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
