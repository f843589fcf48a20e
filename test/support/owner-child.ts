/**
 * A process that owns an agent, as Node-RED does, and whose event loop can be blocked.
 * argv: a JSON object with `state`, `host` and perhaps `stallTimeout`. Prints what happens, one JSON object a line.
 * Each line of stdin is a number of milliseconds to spin for, as a bad Function node does.
 */
import { createInterface } from 'node:readline';
import { createSupervisor } from '../../src/agent/supervisor.ts';
import type { HostConfig } from '../../src/config/types.ts';

const print = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const { state, host, stallTimeout } = JSON.parse(process.argv[2] ?? '') as {
  readonly state: string;
  readonly host: HostConfig;
  readonly stallTimeout?: number;
};

const supervisor = createSupervisor({
  onSpawn: ({ pid }) => print({ pid }),
  ...(stallTimeout === undefined ? {} : { stallTimeout }),
});
supervisor.events$.subscribe(print);
supervisor.problems$.subscribe((problem) => print({ problem }));
supervisor.state$.subscribe(({ state: link }) => print({ state: link }));

const spin = (ms: number): void => {
  const end = performance.now() + ms;
  while (performance.now() < end);
};

createInterface({ input: process.stdin }).on('line', (line) => {
  print({ spins: Number(line) });
  // What has been printed is on its way before the loop stops.
  setTimeout(() => {
    spin(Number(line));
    supervisor.status().then(
      ({ hosts }) => print({ answered: hosts[0]?.groups[0]?.role, ledger: hosts[0]?.groups[0]?.ledger }),
      (error: Error) => print({ failed: error.message }),
    );
  }, 50);
});
process.once('SIGTERM', () => void supervisor.stop().then(() => process.exit(0)));
await supervisor.configure({ state, hosts: [host] });
