import { OPERATOR_HELP } from './agent-socket.ts';
import { modeCommand } from './mode-command.ts';

const HELP = `Usage: carp maintenance on|off [GROUP] [--socket PATH | -c FILE]

Takes this host, or one group of it, out of service: it is demoted by 240, hands over what it is MASTER of, and does not
preempt. It is still the last resort: where nobody else is, it stays MASTER and says so. That is stored before it happens,
and outlives the agent and the machine, until it is switched off. What is on or off already stays so: exit code 0.

"off" without GROUP ends all maintenance of this host. To keep the addresses away from it in any case: carp observe on

${OPERATOR_HELP}`;

export const command = modeCommand({
  name: 'maintenance',
  summary: 'take this host out of service, also over restarts, or back',
  help: HELP,
  ask: (client, params) => client.maintenance(params),
  on: { changed: 'is in maintenance', same: 'is in maintenance already' },
  off: { changed: 'is no longer in maintenance', same: 'was not in maintenance' },
});
