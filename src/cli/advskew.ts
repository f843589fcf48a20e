import type { AdvskewReceipt } from '../agent/rpc.ts';
import { given, OPERATOR_HELP, OPERATOR_OPTIONS, withAgent } from './agent-socket.ts';
import { type Command, Exit, parseOptions, usageError } from './options.ts';
import { print, printJson } from './output.ts';

/** 255 is that of a farewell. */
const ADVSKEW_MAX = 254;
/** Back to what the configuration says. */
const DEFAULT = 'default';

const HELP = `Usage: carp advskew GROUP N|${DEFAULT} [--socket PATH | -c FILE]

Changes how this host ranks in a group, until the agent ends: the lower advskew wins elections. A MASTER tells its new
rank at once. That alone moves nothing: a better host takes over if it has \`preempt: true\`, or when the MASTER falls
silent. To move the addresses now, use \`carp hand-over\`.

It is not written down: a restart of the agent, and a reload that changes this group, bring back the advskew of the
configuration file. \`carp status\` shows both while they differ.

  N                  0 to ${ADVSKEW_MAX}
  ${DEFAULT}            that of the configuration file again
${OPERATOR_HELP}`;

export const command: Command = {
  summary: 'change the rank of this host in a group, until the agent ends',
  help: HELP,
  run: async (args) => {
    const { values, positionals } = parseOptions('advskew', args, {
      options: OPERATOR_OPTIONS,
      allowPositionals: true,
    });
    const [group, text, ...more] = positionals;
    if (group === undefined) throw usageError('advskew', 'which group? `carp status` lists them');
    if (more.length > 0) throw usageError('advskew', `too many words: ${more.join(' ')}`);
    const advskew = advskewOf(text);
    const receipt = await withAgent('advskew', values, (client) =>
      client.advskew({ group, advskew, ...given('node', values.node) }),
    );
    if (values.json) printJson(receipt);
    else print(receiptLine(receipt));
    return Exit.done;
  },
};

/** @throws CarpError CARP_CONFIG */
const advskewOf = (text: string | undefined): number | null => {
  if (text === undefined) throw usageError('advskew', `which advskew? 0 to ${ADVSKEW_MAX}, or ${DEFAULT}`);
  if (text === DEFAULT) return null;
  if (/^\d{1,3}$/.test(text) && Number(text) <= ADVSKEW_MAX) return Number(text);
  throw usageError('advskew', `the advskew is "${text}", neither a number from 0 to ${ADVSKEW_MAX} nor ${DEFAULT}`);
};

const receiptLine = ({ group, node, advskew, configured, role }: AdvskewReceipt): string => {
  const where = `${group} on ${node}: ${role}, advskew ${advskew}`;
  return advskew === configured ? where : `${where} until the agent ends; the configuration says ${configured}`;
};
