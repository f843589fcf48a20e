import { FOR_MS_MAX, HAND_OVER_WEIGHT, WEIGHT_MAX } from '../agent/demotions.ts';
import { given, OPERATOR_HELP, OPERATOR_OPTIONS, withAgent } from './agent-socket.ts';
import { outcomeLine } from './demotion-text.ts';
import { type Command, Exit, parseOptions, usageError } from './options.ts';
import { print, printJson } from './output.ts';
import { spanOption } from './span-option.ts';

const HELP = `Usage: carp demote REASON [WEIGHT] [GROUP] [--for TIME] [--socket PATH | -c FILE]

Makes this host, or one group of it, less fit to be MASTER, for a reason that \`carp status\` shows. The weights of all
reasons are added up: the sum makes adverts rarer, and from ${HAND_OVER_WEIGHT} on (the default weight) a MASTER hands over and does not
preempt. The same reason again changes its weight and its time. It ends with \`carp restore REASON\`, with the time, or
with the agent; what is to outlive the agent is \`carp maintenance\`.

  REASON             1 to 64 characters of your choice, such as backup-job
  WEIGHT             1 to ${WEIGHT_MAX}; a word of digits after the reason is always the weight
  --for TIME         ends by itself after 90s, 10m, 2h, 1d
${OPERATOR_HELP}`;

export const command: Command = {
  summary: 'make this host less fit to be MASTER, for a reason',
  help: HELP,
  run: async (args) => {
    const { values, positionals } = parseOptions('demote', args, {
      options: { ...OPERATOR_OPTIONS, for: { type: 'string' } },
      allowPositionals: true,
    });
    const { reason, weight, group } = orderOf(positionals);
    const span = values.for;
    const forMs = span === undefined ? undefined : spanOption('demote', span, FOR_MS_MAX);
    const receipt = await withAgent('demote', values, (client) =>
      client.demote({
        reason,
        weight,
        ...given('group', group),
        ...given('forMs', forMs),
        ...given('node', values.node),
      }),
    );
    if (values.json) printJson(receipt);
    else {
      const time = span === undefined ? '' : ` for ${span}`;
      print(
        `${group === undefined ? receipt.node : `${group} on ${receipt.node}`} is demoted by ${weight}${time}: ${reason}`,
      );
      for (const each of receipt.groups) print(outcomeLine(each));
    }
    return Exit.done;
  },
};

interface Order {
  readonly reason: string;
  readonly weight: number;
  readonly group: string | undefined;
}

/** @throws CarpError CARP_CONFIG */
const orderOf = ([reason, ...words]: readonly string[]): Order => {
  if (reason === undefined) throw usageError('demote', 'for what reason?');
  const [first, ...rest] = words;
  const weighed = first !== undefined && /^\d+$/.test(first);
  const weight = weighed ? Number(first) : HAND_OVER_WEIGHT;
  const [group, ...more] = weighed ? rest : words;
  if (more.length > 0)
    throw usageError('demote', `too many words: ${more.join(' ')}; put a reason of several in quotes`);
  if (weight < 1 || weight > WEIGHT_MAX)
    throw usageError('demote', `the weight is ${weight}, not from 1 to ${WEIGHT_MAX}`);
  return { reason, weight, group };
};
