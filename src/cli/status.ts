import type { AgentStatus } from '../agent/rpc.ts';
import { SOCKET_HELP, SOCKET_OPTIONS, socketPath, withAgent } from './agent-socket.ts';
import { type Command, Exit, parseOptions, usageError } from './options.ts';
import { print, printJson } from './output.ts';
import { HISTORY_DEFAULT, statusLines } from './status-text.ts';
import { watchStatus } from './status-watch.ts';

const HISTORY_MAX = 20;

const HELP = `Usage: carp status [--watch] [--history N] [--json] [--socket PATH | -c FILE]

Shows what the agent of this machine does: the role of each group, since when and why, its MASTER, what demotes it, and
what is wrong. Exit code 1 if no agent answers, 77 if its socket may not be opened by this user.

  -w, --watch        go on until Ctrl-C: on a terminal the page is drawn again on each event and each second; elsewhere
                     a block is printed for each change
  --history N        transitions of each group, 0 to ${HISTORY_MAX} (default ${HISTORY_DEFAULT})
  --json             everything that is known, as one object; with --watch, one for each change
${SOCKET_HELP}`;

export const command: Command = {
  summary: 'show what the agent of this machine does',
  help: HELP,
  run: async (args) => {
    const { values } = parseOptions('status', args, {
      options: {
        ...SOCKET_OPTIONS,
        json: { type: 'boolean', default: false },
        watch: { type: 'boolean', short: 'w', default: false },
        history: { type: 'string', default: `${HISTORY_DEFAULT}` },
      },
    });
    const history = historyOf(values.history);
    const text = (status: AgentStatus): readonly string[] =>
      values.json ? [JSON.stringify(status)] : statusLines(status, { now: new Date(), history });
    // Also before watching: that there is no agent at all is told at once.
    const status = await withAgent('status', values, (client) => client.status());
    if (values.watch) await watchStatus({ path: await socketPath('status', values), text, json: values.json });
    else if (values.json) printJson(status);
    else for (const line of text(status)) print(line);
    return Exit.done;
  },
};

/** @throws CarpError CARP_CONFIG */
const historyOf = (text: string): number => {
  const count = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN;
  if (count <= HISTORY_MAX) return count;
  throw usageError('status', `--history is a number from 0 to ${HISTORY_MAX}, not "${text}"`);
};
