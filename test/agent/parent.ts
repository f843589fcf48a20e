/** A process that owns an agent, for tests that kill one of the two. Prints what happens, one JSON object a line. */
import { createSupervisor } from '../../src/agent/supervisor.ts';
import { configOf, groupText } from './fakes.ts';

const print = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

const supervisor = createSupervisor({ onSpawn: ({ pid }) => print({ pid }) });
supervisor.events$.subscribe(({ node, role }) => print({ node, role }));
supervisor.state$.subscribe(({ state }) => print({ state }));
await supervisor.configure({
  state: process.argv[2] ?? '',
  hosts: [configOf('a', [groupText('plant')]), configOf('b', [groupText('plant', { advskew: 100 })])],
});
