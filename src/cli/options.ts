import { type ParseArgsConfig, parseArgs } from 'node:util';
import { CarpError, type CarpErrorCode } from '../ports/error.ts';

/** What the shell is told (sysexits.h has the last one). */
export const Exit = {
  done: 0,
  failed: 1,
  /** Wrong usage or configuration. */
  usage: 2,
  /** Not permitted. */
  permission: 77,
} as const;
export type ExitCode = (typeof Exit)[keyof typeof Exit];

const EXIT_OF: Partial<Record<CarpErrorCode, ExitCode>> = {
  CARP_CONFIG: Exit.usage,
  CARP_NO_PERMISSION: Exit.permission,
};

/** The exit code of a failure. */
export const exitCodeOf = (error: unknown): ExitCode =>
  (error instanceof CarpError ? EXIT_OF[error.code] : undefined) ?? Exit.failed;

/** One command of `carp`. Each file of a command exports one as `command`. */
export interface Command {
  /** One line for `carp --help`. */
  readonly summary: string;
  /** The text of `carp COMMAND --help`, without a newline at its end. */
  readonly help: string;
  /** @throws (rejects) CarpError, which is shown as message and remedy and becomes an exit code */
  readonly run: (args: readonly string[]) => Promise<ExitCode>;
}

/** The command was called in a wrong way. Exit code 2. */
export const usageError = (command: string, message: string): CarpError =>
  new CarpError('CARP_CONFIG', message, { remedy: `carp ${command} --help shows how it is used` });

/**
 * Reads the options of a command, as `parseArgs` of node:util does, without positional arguments unless allowed.
 * @throws CarpError CARP_CONFIG for an unknown option, a missing value, or an argument too many
 */
export const parseOptions = <const Config extends Omit<ParseArgsConfig, 'args'>>(
  command: string,
  args: readonly string[],
  config: Config,
): ReturnType<typeof parseArgs<Config & { args: string[] }>> => {
  try {
    return parseArgs({ ...config, args: [...args] });
  } catch (error) {
    // Node appends advice on `--` and positional arguments after the first sentence; ours is the command's help.
    const [sentence = ''] = (error instanceof Error ? error.message : String(error)).split(/(?<=')\. |\n/);
    throw usageError(command, sentence.replace(/\.$/, ''));
  }
};
