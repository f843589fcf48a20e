import type { DemotionReceipt, MaintenanceParams } from '../agent/rpc.ts';
import type { RpcClient } from '../agent/rpc-client.ts';
import { given, OPERATOR_OPTIONS, withAgent } from './agent-socket.ts';
import { outcomeLine } from './demotion-text.ts';
import { type Command, Exit, parseOptions, usageError } from './options.ts';
import { print, printJson } from './output.ts';

/** A mode that is switched on and off. */
export interface ModeWords {
  readonly name: string;
  readonly summary: string;
  readonly help: string;
  readonly ask: (client: RpcClient, params: MaintenanceParams) => Promise<DemotionReceipt>;
  /** What is said of a host or group, by whether anything has changed. */
  readonly on: { readonly changed: string; readonly same: string };
  readonly off: { readonly changed: string; readonly same: string };
}

/** `carp NAME on|off [GROUP]` */
export const modeCommand = ({ name, summary, help, ask, ...sentences }: ModeWords): Command => ({
  summary,
  help,
  run: async (args) => {
    const { values, positionals } = parseOptions(name, args, { options: OPERATOR_OPTIONS, allowPositionals: true });
    const [word, group, ...more] = positionals;
    if (word !== 'on' && word !== 'off') throw usageError(name, 'on or off?');
    if (more.length > 0) throw usageError(name, `one group, or none for all; not also ${more.join(', ')}`);
    const params = { on: word === 'on', ...given('group', group), ...given('node', values.node) };
    const receipt = await withAgent(name, values, (client) => ask(client, params));
    if (values.json) printJson(receipt);
    else {
      const subject = group === undefined ? receipt.node : `${group} on ${receipt.node}`;
      print(`${subject} ${sentences[word][receipt.changed ? 'changed' : 'same']}`);
      for (const each of receipt.groups) print(outcomeLine(each));
    }
    return Exit.done;
  },
});
