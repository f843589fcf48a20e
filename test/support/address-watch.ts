/** Who had an address when: the kernel's own notifications, as `ip monitor` prints them. */
import type { Child } from './child.ts';
import { type Lan, type Machine, run } from './netns.ts';
import { monotonicMs, until } from './wait.ts';

export interface AddressChange {
  /** Monotonic milliseconds, when the notification was read. */
  readonly at: number;
  readonly host: string;
  readonly present: boolean;
}

/** Shows that a monitor is listening; it is never on a shared interface. */
const MARKER = '198.51.100.250';

export class AddressWatch {
  readonly #address: string;
  readonly #monitors: readonly (readonly [Machine, Child])[];

  private constructor(address: string, monitors: readonly (readonly [Machine, Child])[]) {
    this.#address = address;
    this.#monitors = monitors;
  }

  static async start(lan: Lan, address: string): Promise<AddressWatch> {
    const monitors = lan.hosts.map(
      (host) =>
        [host, lan.instrument(host.namespace, `monitor of ${host.name}`, ['ip', '-o', 'monitor', 'address'])] as const,
    );
    for (const [{ namespace, name }, child] of monitors)
      await until(`the address monitor of ${name}`, 10_000, async () => {
        await run('ip', '-n', namespace, 'addr', 'replace', `${MARKER}/32`, 'dev', 'lo');
        return child.line(new RegExp(MARKER)) !== undefined;
      });
    for (const [{ namespace }] of monitors)
      await run('ip', '-n', namespace, 'addr', 'del', `${MARKER}/32`, 'dev', 'lo');
    return new AddressWatch(address, monitors);
  }

  /** Comings and goings since then, in order of time; renewals are not among them. */
  changes(from = 0): readonly AddressChange[] {
    return this.#monitors
      .flatMap(([{ name }, child]) => {
        let present = false;
        return child.stdout.flatMap(({ at, text }): AddressChange[] => {
          if (!text.includes(` ${this.#address}/`)) return [];
          const now = !text.startsWith('Deleted');
          if (now === present) return [];
          present = now;
          return [{ at, host: name, present }];
        });
      })
      .filter(({ at }) => at >= from)
      .toSorted((a, b) => a.at - b.at);
  }

  /** Waits for a change that comes after `from`. */
  untilChange(host: string, present: boolean, withinMs: number, from = monotonicMs()): Promise<AddressChange> {
    return until(
      `${host} to ${present ? 'get' : 'lose'} ${this.#address}`,
      withinMs,
      () => this.changes(from).find((change) => change.host === host && change.present === present),
      () => JSON.stringify(this.changes()),
    );
  }
}
