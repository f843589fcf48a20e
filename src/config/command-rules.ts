/** Hooks and checks: what a schema cannot say about programs. */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { error, type Finding, type Path, show, warning } from './findings.ts';
import type { Loose } from './loose.ts';
import { absolute, type Surroundings } from './secret-rules.ts';
import type { GroupConfig } from './types.ts';

const HOOKS = ['up', 'down', 'change'] as const;

/** A program with a slash in its name is a file, relative to the configuration; one without is looked for in PATH. */
export const absoluteProgram = <Command extends readonly (string | undefined)[]>(
  command: Command,
  baseFolder: string,
): Command => {
  const [program, ...args] = command;
  return (program?.includes('/') === true ? [absolute(program, baseFolder), ...args] : command) as Command;
};

/** Why a file cannot be run, in words that continue its name. */
const fileProblem = (file: string): string | undefined => {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) return `${file} does not exist; create it, or correct the path`;
  if (!found.isFile()) return `${file} is no file; name a program`;
  try {
    accessSync(file, constants.X_OK);
    return undefined;
  } catch {
    return `${file} may not be executed; run chmod +x ${file}`;
  }
};

const programProblem = (program: string, { baseFolder, environment }: Surroundings): string | undefined => {
  try {
    if (program.includes('/')) return fileProblem(absolute(program, baseFolder));
    const folders = (environment['PATH'] ?? '/usr/bin:/bin').split(delimiter);
    return folders.some((folder) => fileProblem(join(resolve(folder), program)) === undefined)
      ? undefined
      : `${show(program)} is in no folder of PATH; write its whole path`;
  } catch (cause) {
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    return `${show(program)} cannot be looked at (${code}); check that this user may read its folder`;
  }
};

/** Only warnings: what is missing now may be there when it is needed, and addresses must not depend on a script. */
const commandRules = (
  command: readonly (string | undefined)[] | undefined,
  path: Path,
  around: Surroundings,
): readonly Finding[] => {
  const [program] = command ?? [];
  const problem = program === undefined ? undefined : programProblem(program, around);
  return problem === undefined ? [] : [warning([...path, 0], `the program cannot be run: ${problem}`)];
};

/** Names of checks are reasons in the ledger, and each reason is there once. */
const checkNameRules = (names: readonly (string | undefined)[], at: Path): readonly Finding[] =>
  names.flatMap((name, i) =>
    name === undefined || names.indexOf(name) === i
      ? []
      : [error([...at, 'track', i, 'name'], `a check called ${show(name)} is there already; choose another name`)],
  );

export const hookAndTrackRules = (group: Loose<GroupConfig>, at: Path, around: Surroundings): readonly Finding[] => [
  ...HOOKS.flatMap((hook) => commandRules(group.hooks?.[hook], [...at, 'hooks', hook], around)),
  ...(group.track ?? []).flatMap((check, i) => commandRules(check?.command, [...at, 'track', i, 'command'], around)),
  ...checkNameRules(
    (group.track ?? []).map((check) => check?.name),
    at,
  ),
];
