import { given, OPERATOR_HELP, OPERATOR_OPTIONS, withAgent } from './agent-socket.ts';
import { outcomeLine } from './demotion-text.ts';
import { type Command, Exit, parseOptions, usageError } from './options.ts';
import { print, printJson } from './output.ts';

const HELP = `Usage: carp restore REASON [GROUP] [--socket PATH | -c FILE]

Takes back \`carp demote REASON [GROUP]\`. A host that was demoted takes its groups back only where \`preempt\` is on.
What does not demote this host is no mistake: exit code 0.

${OPERATOR_HELP}`;

export const command: Command = {
  summary: 'take a demotion back',
  help: HELP,
  run: async (args) => {
    const { values, positionals } = parseOptions('restore', args, {
      options: OPERATOR_OPTIONS,
      allowPositionals: true,
    });
    const [reason, group, ...more] = positionals;
    if (reason === undefined) throw usageError('restore', 'which reason? `carp status` lists them');
    if (more.length > 0)
      throw usageError('restore', `too many words: ${more.join(' ')}; put a reason of several in quotes`);
    const receipt = await withAgent('restore', values, (client) =>
      client.restore({ reason, ...given('group', group), ...given('node', values.node) }),
    );
    if (values.json) printJson(receipt);
    else {
      const subject = group === undefined ? receipt.node : `${group} on ${receipt.node}`;
      print(`${subject} ${receipt.changed ? 'is no longer demoted' : 'was not demoted'}: ${reason}`);
      for (const each of receipt.groups) print(outcomeLine(each));
    }
    return Exit.done;
  },
};
