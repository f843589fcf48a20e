import type { RpcClient } from '../agent/rpc-client.ts';
import { CarpError } from '../ports/error.ts';
import { given, OPERATOR_HELP, OPERATOR_OPTIONS, withAgent } from './agent-socket.ts';
import { type Command, Exit, type ExitCode, parseOptions, usageError } from './options.ts';
import { print, printJson } from './output.ts';

const HELP = `Usage: carp hand-over GROUP [--force] [--socket PATH | -c FILE]

Makes this host, which is MASTER of the group, say farewell; it keeps the addresses until another host has taken over,
and tells which one did, after how many milliseconds. If nobody does within 1.5 s, this host stays MASTER: exit code 1.

With --force the addresses are released even then. As long as nobody else comes, this host takes them again when it has
heard nobody for the master-down time; to keep them away from it, use \`carp maintenance on\` or stop the agent.

  --force            release the addresses also when nobody takes over
${OPERATOR_HELP}`;

export const command: Command = {
  summary: 'let another host take over a group, and tell which one did',
  help: HELP,
  run: async (args) => {
    const { values, positionals } = parseOptions('hand-over', args, {
      options: { ...OPERATOR_OPTIONS, force: { type: 'boolean', default: false } },
      allowPositionals: true,
    });
    const [group, ...more] = positionals;
    if (group === undefined) throw usageError('hand-over', 'which group? `carp status` lists them');
    if (more.length > 0) throw usageError('hand-over', `one group at a time, not also ${more.join(', ')}`);
    const { force, json, node } = values;
    return withAgent('hand-over', values, (client) => handOver(client, { group, force, json, node }));
  },
};

interface Order {
  readonly group: string;
  readonly force: boolean;
  readonly json: boolean;
  readonly node?: string | undefined;
}

const handOver = async (client: RpcClient, { group, force, json, node }: Order): Promise<ExitCode> => {
  try {
    const receipt = await client.handOver({ group, force, ...given('node', node) });
    if (json) printJson({ group, ...receipt });
    else print(`${group}: ${receipt.address} took over after ${receipt.afterMs} ms`);
  } catch (error) {
    // That the addresses are released whatever happens is what was asked for.
    if (!force || !(error instanceof CarpError) || error.code !== 'CARP_NOBODY') throw error;
    if (json) printJson({ group, address: null, released: true });
    else print(error.message);
  }
  return Exit.done;
};
