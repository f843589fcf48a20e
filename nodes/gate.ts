import type { NodeMessage } from 'node-red';
import type { PublicRole } from '../src/engine/status.ts';
import { type KeepOptions, KeptMessages } from './kept-messages.ts';
import type { Standing } from './known-role.ts';

/** First what passes, then what does not. */
type Outputs = [NodeMessage | null, NodeMessage | null];

/** A message on its way through a gate. */
export interface Passenger {
  readonly msg: NodeMessage;
  readonly send: (outputs: Outputs) => void;
  /** The message is through, whichever way it went. */
  readonly done: () => void;
}

export interface GateOptions extends KeepOptions {
  readonly roles: readonly PublicRole[];
  /** Now. */
  readonly standing: () => Standing;
  /** Which group, for `msg.carp`. */
  readonly name: () => object;
}

/** Lets messages through while the role is one of the right ones, in the order of their coming. */
export class Gate {
  readonly #options: GateOptions;
  readonly #kept: KeptMessages<Passenger>;
  passed = 0;
  blocked = 0;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#kept = new KeptMessages(options);
  }

  get kept(): number {
    return this.#kept.size;
  }

  isOpen({ role }: Standing = this.#options.standing()): boolean {
    return role !== undefined && this.#options.roles.includes(role);
  }

  /** One that comes now. What waited goes first. */
  handle(passenger: Passenger): void {
    this.flush();
    const standing = this.#options.standing();
    if (this.isOpen(standing)) {
      this.#pass(passenger, standing);
      return;
    }
    this.blocked += 1;
    this.wait(passenger);
  }

  /** One that waits already. */
  wait(passenger: Passenger): void {
    const evicted = this.#kept.add(passenger);
    if (evicted !== undefined) this.#refuse(evicted);
  }

  /** Lets out what waits, if the gate is open. What one of them sets off may close it again. */
  flush(): void {
    while (this.#kept.size > 0) {
      const standing = this.#options.standing();
      if (!this.isOpen(standing)) return;
      const next = this.#kept.takeOldest();
      if (next !== undefined) this.#pass(next, standing);
    }
  }

  /** All that wait, taken out. */
  takeAll(): readonly Passenger[] {
    return Array.from({ length: this.#kept.size }, () => this.#kept.takeOldest()).filter((one) => one !== undefined);
  }

  #pass({ msg, send, done }: Passenger, standing: Standing): void {
    this.passed += 1;
    send([this.#annotated(msg, standing), null]);
    done();
  }

  #refuse({ msg, send, done }: Passenger): void {
    send([null, this.#annotated(msg, this.#options.standing())]);
    done();
  }

  #annotated(msg: NodeMessage, { role, since }: Standing): NodeMessage {
    const carp = { ...this.#options.name(), role: role ?? 'UNKNOWN', ...(since === undefined ? {} : { since }) };
    return Object.assign(msg, { carp });
  }
}
