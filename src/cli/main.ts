#!/usr/bin/env node
import { packageVersion } from '../agent/version.ts';
import { closest } from '../config/closest.ts';
import { CarpError } from '../ports/error.ts';
import { type Command, Exit, type ExitCode, exitCodeOf } from './options.ts';
import { print, printError, style } from './output.ts';

/** Loaded when they are called: `carp check` needs no engine. */
const COMMANDS: Readonly<Record<string, () => Promise<{ readonly command: Command }>>> = {
  advskew: () => import('./advskew.ts'),
  check: () => import('./check.ts'),
  decode: () => import('./decode.ts'),
  demote: () => import('./demote.ts'),
  doctor: () => import('./doctor.ts'),
  fleet: () => import('./fleet.ts'),
  'hand-over': () => import('./hand-over.ts'),
  import: () => import('./import.ts'),
  maintenance: () => import('./maintenance.ts'),
  observe: () => import('./observe.ts'),
  restore: () => import('./restore.ts'),
  run: () => import('./run.ts'),
  status: () => import('./status.ts'),
  watch: () => import('./watch.ts'),
  ucarp: () => import('./ucarp.ts'),
};

const EXIT_CODES = 'Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 77 not permitted.';

const overview = async (): Promise<string> => {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(
    async ([name, load]) => `  ${style('bold', name.padEnd(width))}  ${(await load()).command.summary}`,
  );
  return [
    'Usage: carp COMMAND [OPTIONS]',
    '',
    'Hosts share IP addresses: one MASTER holds them, a BACKUP takes over when it falls silent.',
    '',
    'Commands:',
    ...(await Promise.all(lines)),
    '',
    '`carp COMMAND --help` explains one. `carp --version` names this version.',
    EXIT_CODES,
  ].join('\n');
};

const unknownCommand = (name: string): CarpError => {
  const suggestion = closest(name, Object.keys(COMMANDS));
  return new CarpError(
    'CARP_CONFIG',
    `there is no command "${name}"${suggestion === undefined ? '' : `; did you mean "${suggestion}"?`}`,
    { remedy: 'carp --help lists the commands' },
  );
};

const wantsHelp = (args: readonly string[]): boolean => {
  const end = args.indexOf('--');
  return (end === -1 ? args : args.slice(0, end)).some((arg) => arg === '--help' || arg === '-h');
};

const main = async ([name, ...args]: readonly string[]): Promise<ExitCode> => {
  if (name === undefined) {
    process.stderr.write(`${await overview()}\n`);
    return Exit.usage;
  }
  if (name === '--help' || name === '-h' || name === 'help') print(await overview());
  else if (name === '--version' || name === '-V') print(`carp ${packageVersion()}`);
  else {
    const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (load === undefined) throw unknownCommand(name);
    const { command } = await load();
    if (!wantsHelp(args)) return command.run(args);
    print(command.help);
  }
  return Exit.done;
};

// A reader that has seen enough (`carp decode … | head`) closes the pipe. That is no failure, and nobody is left to tell.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  printError(error);
  process.exitCode = exitCodeOf(error);
}
