import { connectSocket } from '../agent/client.ts';
import { describe } from '../config/findings.ts';
import { loadConfig } from '../config/load.ts';
import { CarpError } from '../ports/error.ts';
import { type Command, Exit, parseOptions, usageError } from './options.ts';
import { print, printJson } from './output.ts';
import { statusLines } from './status-text.ts';

const DEFAULT_SOCKET = '/run/carp/agent.sock';

const HELP = `Usage: carp status [--json] [--socket PATH | -c FILE]

Shows what the agent of this machine does: the role of each group, since when and why, its MASTER, and what is wrong.
Exit code 1 if no agent answers.

  --socket PATH      where the agent listens (default ${DEFAULT_SOCKET})
  -c, --config FILE  its configuration file, which names the socket
  --json             everything that is known, as one object`;

export const command: Command = {
  summary: 'show what the agent of this machine does',
  help: HELP,
  run: async (args) => {
    const { values } = parseOptions('status', args, {
      options: {
        socket: { type: 'string' },
        config: { type: 'string', short: 'c' },
        json: { type: 'boolean', default: false },
      },
    });
    const { socket, config, json } = values;
    if (socket !== undefined && config !== undefined)
      throw usageError('status', 'either --socket or --config, not both');
    const client = await connectSocket(socket ?? (config === undefined ? DEFAULT_SOCKET : socketOf(config)));
    try {
      const status = await client.status();
      if (json) printJson(status);
      else for (const line of statusLines(status, new Date())) print(line);
    } finally {
      client.close();
    }
    return Exit.done;
  },
};

/** @throws CarpError CARP_CONFIG */
const socketOf = (file: string): string => {
  const parsed = loadConfig(file);
  if (parsed.ok) return parsed.config.socket;
  throw new CarpError('CARP_CONFIG', [`${file} is not valid`, ...parsed.errors.map(describe)].join('\n  '), {
    remedy: `carp check -c ${file}, or name the socket: carp status --socket PATH`,
  });
};
