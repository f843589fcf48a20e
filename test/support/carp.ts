/** Our own agent, started as a user starts it: `carp run -c FILE --json`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Child, Exit } from './child.ts';
import type { Lan, Machine } from './netns.ts';
import { until } from './wait.ts';

export const CARP = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** An event of the command, as DESIGN 5 writes it, read without the engine's types. */
export interface JsonEvent {
  readonly event: string;
  readonly group: string;
  readonly role: string;
  readonly previous: string;
  readonly reason: string;
  readonly [key: string]: unknown;
}

export interface TimedEvent {
  /** Monotonic milliseconds, when the line was read. */
  readonly received: number;
  readonly event: JsonEvent;
}

/** A group of the configuration file, as a user writes it. */
export type GroupText = Readonly<Record<string, unknown>>;

export interface CarpOptions {
  /** More keys of the file, such as `mqtt`. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** What runs the command, for instance `setpriv …` to lose privileges. */
  readonly prefix?: readonly string[];
}

let files = 0;

/** Writes a configuration for this machine, with socket and state of its own. */
export const writeConfig = (
  lan: Lan,
  on: Machine,
  groups: readonly GroupText[],
  more: CarpOptions['config'] = {},
): string => {
  files += 1;
  const folder = join(lan.folder, on.name);
  mkdirSync(join(folder, 'state'), { recursive: true });
  const file = join(folder, `carp-${files}.yaml`);
  const config = { node: on.name, socket: join(folder, 'agent.sock'), state: join(folder, 'state'), ...more, groups };
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(config, undefined, 2));
  return file;
};

const isEvent = (value: unknown): value is JsonEvent =>
  typeof value === 'object' && value !== null && 'event' in value && 'role' in value;

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

export class Carp {
  readonly child: Child;
  readonly #name: string;

  private constructor(child: Child, name: string) {
    this.child = child;
    this.#name = name;
  }

  static start(lan: Lan, on: Machine, groups: readonly GroupText[], options: CarpOptions = {}): Carp {
    const file = writeConfig(lan, on, groups, options.config);
    const argv = [...(options.prefix ?? []), process.execPath, CARP, 'run', '-c', file, '--json'];
    return new Carp(lan.start(on, 'carp', argv), on.name);
  }

  events(): readonly TimedEvent[] {
    return this.child.stdout.flatMap(({ at, text }) => {
      const event = parse(text);
      return isEvent(event) ? [{ received: at, event }] : [];
    });
  }

  transitions(group?: string): readonly TimedEvent[] {
    return this.events().filter(
      ({ event }) => event.event === 'transition' && (group === undefined || event.group === group),
    );
  }

  /** The role it last told, or `undefined` before the first. */
  role(group?: string): string | undefined {
    return this.events().findLast(({ event }) => group === undefined || event.group === group)?.event.role;
  }

  /** Waits until the role is this one now. */
  untilRole(role: string, withinMs: number, group?: string): Promise<TimedEvent> {
    return until(
      `${this.#name} to be ${role}`,
      withinMs,
      () => {
        if (!this.child.running) throw new Error(`${this.#name} ended early.${this.child.report()}`);
        const last = this.events().findLast(({ event }) => group === undefined || event.group === group);
        return last?.event.role === role ? last : undefined;
      },
      () => this.child.report(),
    );
  }

  /** SIGTERM, and how it ended. */
  async terminate(withinMs = 5000): Promise<Exit> {
    this.child.signal('SIGTERM');
    return this.child.untilExit(withinMs);
  }
}
