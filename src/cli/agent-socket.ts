/** How commands find the agent of this machine, and talk to it. */
import { connectSocket } from '../agent/client.ts';
import type { RpcClient } from '../agent/rpc-client.ts';
import { DEFAULT_SOCKET } from '../config/default-socket.ts';
import { describe } from '../config/findings.ts';
import { CarpError } from '../ports/error.ts';
import { usageError } from './options.ts';

/** For `parseOptions`. */
export const SOCKET_OPTIONS = {
  socket: { type: 'string' },
  config: { type: 'string', short: 'c' },
} as const;

/** The lines of `--help` that explain them. */
export const SOCKET_HELP = `  --socket PATH      where the agent listens (default ${DEFAULT_SOCKET})
  -c, --config FILE  its configuration file, which names the socket`;

/** For commands that change something. */
export const OPERATOR_OPTIONS = {
  ...SOCKET_OPTIONS,
  node: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

export const OPERATOR_HELP = `${SOCKET_HELP}
  --node NAME        which host, where the agent runs several (simulated) ones
  --json             the outcome as one object

Exit code 1 if no agent answers, 77 if its socket may not be opened by this user.`;

export interface SocketValues {
  readonly socket?: string | undefined;
  readonly config?: string | undefined;
}

/** @throws (rejects) CarpError CARP_CONFIG */
export const socketPath = async (command: string, { socket, config }: SocketValues): Promise<string> => {
  if (socket !== undefined && config !== undefined) throw usageError(command, 'either --socket or --config, not both');
  return socket ?? (config === undefined ? DEFAULT_SOCKET : socketOf(command, config));
};

/**
 * Asks the agent something, and hangs up.
 * @throws (rejects) CarpError CARP_CONFIG, CARP_NO_AGENT, CARP_NO_PERMISSION, and what the agent answers
 */
export const withAgent = async <Result>(
  command: string,
  values: SocketValues,
  ask: (client: RpcClient) => Promise<Result>,
): Promise<Result> => {
  const client = await connectSocket(await socketPath(command, values));
  try {
    return await ask(client);
  } finally {
    client.close();
  }
};

/** `{ node }`, if one is given: such keys must not be there otherwise. */
export const given = <Key extends string, Value>(key: Key, value: Value | undefined): { readonly [K in Key]?: Value } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [K in Key]?: Value };

const socketOf = async (command: string, file: string): Promise<string> => {
  // To read YAML and to check it takes as long as all else: only who names a file waits for it.
  const { loadConfig } = await import('../config/load.ts');
  const parsed = loadConfig(file);
  if (parsed.ok) return parsed.config.socket;
  throw new CarpError('CARP_CONFIG', [`${file} is not valid`, ...parsed.errors.map(describe)].join('\n  '), {
    remedy: `carp check -c ${file}, or name the socket: carp ${command} --socket PATH`,
  });
};
