/** Forks an agent and waits, for tests that kill this process while its agent starts. Prints the agent's pid. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const agent = fork(fileURLToPath(new URL('../../src/agent/main.js', import.meta.url)), [], {
  stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
});
process.stdout.write(`${agent.pid}\n`);
