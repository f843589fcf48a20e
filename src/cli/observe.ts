import { OPERATOR_HELP } from './agent-socket.ts';
import { modeCommand } from './mode-command.ts';

const HELP = `Usage: carp observe on|off [GROUP] [--socket PATH | -c FILE]

Makes this host, or one group of it, listen only: it follows who is MASTER and tells it, and never becomes MASTER itself,
not even where nobody else is. What it is MASTER of it hands over; if nobody takes over within 1.5 s, the addresses are
released, and nobody holds them. That is stored before it happens, and outlives the agent and the machine, until it is
switched off. Groups of one \`sync\` observe together. What is on or off already stays so: exit code 0.

"off" without GROUP ends it for this host and all of its groups. To have a last resort: carp maintenance on

${OPERATOR_HELP}`;

export const command = modeCommand({
  name: 'observe',
  summary: 'let this host listen only and never become MASTER, also over restarts',
  help: HELP,
  ask: (client, params) => client.observe(params),
  on: { changed: 'only observes now', same: 'observes already' },
  off: { changed: 'no longer observes: it may become MASTER', same: 'did not observe' },
});
