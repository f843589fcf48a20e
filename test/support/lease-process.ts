/** A process with leases and interface watchers in a namespace of its own, driven from here; see `lease-child.ts`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { InterfaceState } from '../../src/ports/interfaces.ts';
import type { CallName, ChildMessage, LeaseCall, Noted } from './lease-child.ts';
import { until } from './wait.ts';

export interface RemoteError {
  readonly code: string;
  readonly message: string;
  readonly remedy: string | undefined;
}

export interface ProcessOptions {
  /** The folder of the state file. */
  readonly state?: string;
  /** Runs as nobody, with these capabilities (`net_raw`, `net_admin`); without it as root. */
  readonly capabilities?: readonly string[];
  /** Of the iproute kernel: `without-setpriv`, and another program for ip(8). */
  readonly options?: readonly ('unwritable-sysctls' | 'small-buffer' | 'without-setpriv' | `ip=${string}`)[];
  /** What it reaches the kernel through. */
  readonly kernel?: KernelKind;
}

/** `netlink` needs koffi, `iproute` the programs of iproute2. */
export type KernelKind = 'netlink' | 'iproute';

/** A state without the bytes of addresses. */
export interface SeenState extends Pick<InterfaceState, 'exists' | 'up'> {
  readonly at: number;
  readonly addresses: readonly string[];
}

const asNobody = (capabilities: readonly string[]): readonly string[] => {
  const sets = capabilities.map((name) => `+${name}`).join();
  const raised = sets === '' ? [] : [`--inh-caps=${sets}`, `--ambient-caps=${sets}`];
  return ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...raised];
};

const isMessage = (message: unknown): message is ChildMessage =>
  typeof message === 'object' && message !== null && 'type' in message;

export class LeaseProcess {
  readonly noted: Noted[] = [];
  readonly #process: ChildProcess;
  readonly #answers = new Map<number, (message: ChildMessage) => void>();
  readonly #exited: Promise<unknown>;
  #calls = 0;

  constructor(namespace: string, { state, options = [], capabilities, kernel = 'netlink' }: ProcessOptions) {
    const script = fileURLToPath(new URL('./lease-child.js', import.meta.url));
    const node = [process.execPath, script, state ?? '', kernel, ...options];
    const command = capabilities === undefined ? node : [...asNobody(capabilities), ...node];
    // ip(8) and setpriv(1) execute the program in their own place, so that this is its process, and its channel.
    this.#process = spawn('ip', ['netns', 'exec', namespace, ...command], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#exited = once(this.#process, 'exit');
    this.#process.on('message', (message: unknown) => {
      if (!isMessage(message)) return;
      if (message.type === 'answer') this.#answers.get(message.id)?.(message);
      else this.noted.push(message);
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill('SIGKILL');
    await this.#exited;
  }

  /** Rejects with a RemoteError. */
  async call(name: CallName, ...args: readonly unknown[]): Promise<unknown> {
    this.#calls += 1;
    const id = this.#calls;
    const call: LeaseCall = { id, name, args };
    const answer = await new Promise<ChildMessage>((resolve, reject) => {
      this.#answers.set(id, resolve);
      this.#process.send(call, (error) => error && reject(error));
    });
    if (answer.type !== 'answer') throw new Error('not an answer');
    if (answer.error !== undefined) throw answer.error;
    return answer.result;
  }

  take(group: string, addresses: readonly string[], seconds = 2, interfaceName = 'eth0'): Promise<unknown> {
    return this.call('take', { group, interface: interfaceName, addresses, seconds });
  }

  check(group: string, addresses: readonly string[], seconds = 2, interfaceName = 'eth0'): Promise<unknown> {
    return this.call('check', { group, interface: interfaceName, addresses, seconds });
  }

  /** The error with which a call is refused. */
  async refusal(call: Promise<unknown>): Promise<RemoteError> {
    try {
      await call;
    } catch (error) {
      return error as RemoteError;
    }
    throw new Error('it was not refused');
  }

  events(type: string): readonly Noted[] {
    return this.noted.filter((each) => each.type === 'lease' && each.event === type);
  }

  get states(): readonly SeenState[] {
    return this.noted.flatMap((each) => (each.type === 'state' ? [each.state] : []));
  }

  get logged(): readonly string[] {
    return this.noted.flatMap((each) => (each.type === 'log' ? [each.message] : []));
  }

  untilNoted(what: string, withinMs: number, matches: (noted: Noted) => boolean): Promise<Noted> {
    return until(
      what,
      withinMs,
      () => this.noted.find(matches),
      () => JSON.stringify(this.noted),
    );
  }

  untilEvent(type: string, withinMs: number): Promise<Noted> {
    return this.untilNoted(`the event ${type}`, withinMs, (each) => each.type === 'lease' && each.event === type);
  }

  untilState(what: string, withinMs: number, matches: (state: SeenState) => boolean): Promise<Noted> {
    return this.untilNoted(what, withinMs, (each) => each.type === 'state' && matches(each.state));
  }
}
