import { given, OPERATOR_HELP, OPERATOR_OPTIONS, withAgent } from './agent-socket.ts';
import { outcomeLine } from './demotion-text.ts';
import { type Command, Exit, parseOptions, usageError } from './options.ts';
import { print, printJson } from './output.ts';

const HELP = `Usage: carp maintenance on|off [GROUP] [--socket PATH | -c FILE]

Takes this host, or one group of it, out of service: it is demoted by 240, hands over what it is MASTER of, and does not
preempt. It is still the last resort: where nobody else is, it stays MASTER and says so. That is stored before it happens,
and outlives the agent and the machine, until it is switched off. What is on or off already stays so: exit code 0.

"off" without GROUP ends all maintenance of this host.

${OPERATOR_HELP}`;

export const command: Command = {
  summary: 'take this host out of service, also over restarts, or back',
  help: HELP,
  run: async (args) => {
    const { values, positionals } = parseOptions('maintenance', args, {
      options: OPERATOR_OPTIONS,
      allowPositionals: true,
    });
    const [word, group, ...more] = positionals;
    if (word !== 'on' && word !== 'off') throw usageError('maintenance', 'on or off?');
    if (more.length > 0) throw usageError('maintenance', `one group, or none for all; not also ${more.join(', ')}`);
    const on = word === 'on';
    const receipt = await withAgent('maintenance', values, (client) =>
      client.maintenance({ on, ...given('group', group), ...given('node', values.node) }),
    );
    if (values.json) printJson(receipt);
    else {
      const subject = group === undefined ? receipt.node : `${group} on ${receipt.node}`;
      print(`${subject} ${sentence(on, receipt.changed)}`);
      for (const each of receipt.groups) print(outcomeLine(each));
    }
    return Exit.done;
  },
};

const sentence = (on: boolean, changed: boolean): string => {
  if (on) return changed ? 'is in maintenance' : 'is in maintenance already';
  return changed ? 'is no longer in maintenance' : 'was not in maintenance';
};
