/**
 * A process that owns an agent, as Node-RED does in *run here*: for tests that run it as a user without privileges.
 * Its one argument is JSON: `{state, host, execPath?}`. Prints what happens, one JSON object a line.
 */
import { readFileSync } from 'node:fs';
import { createSupervisor } from '../../src/agent/supervisor.ts';
import { parseConfig } from '../../src/config/parse.ts';
import type { HostConfig } from '../../src/config/types.ts';

interface Order {
  readonly state: string;
  readonly host: object;
  readonly execPath?: string;
}

const print = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

const parsedHost = (host: object): HostConfig => {
  const parsed = parseConfig(host);
  if (parsed.ok) return parsed.config;
  throw new Error(JSON.stringify(parsed.errors));
};

const { state, host, execPath } = JSON.parse(process.argv[2] ?? '') as Order;
const [, effective] = /^CapEff:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
print({ uid: process.getuid?.(), effective });

const supervisor = createSupervisor({ execPath, onSpawn: ({ pid }) => print({ pid }) });
supervisor.events$.subscribe((event) => print(event));
supervisor.problems$.subscribe((notice) => print(notice));
supervisor.state$.subscribe((agent) => print(agent));
process.on('SIGTERM', () => void supervisor.stop().then(() => process.exit(0)));
supervisor.configure({ state, hosts: [parsedHost(host)] }).catch((error: Error) => print({ refused: error.message }));
