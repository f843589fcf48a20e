/** `carp ucarp` and ucarp itself, started with one and the same command line. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CARP } from './carp.ts';
import type { Child } from './child.ts';
import type { Lan, Machine } from './netns.ts';
import { writtenLines } from './written-lines.ts';

/** What runs a command line of ucarp. */
export const PROGRAMS = {
  ucarp: ['ucarp'],
  ours: [process.execPath, CARP, 'ucarp'],
} as const;
export type Program = keyof typeof PROGRAMS;

/** Where the scripts of a machine write down how they were called. */
const callsFile = (lan: Lan, on: Machine): string => join(lan.folder, `calls-${on.name}`);

/** `up eth0 192.0.2.100`, one for each call. */
export const calls = (lan: Lan, on: Machine): readonly string[] => writtenLines(callsFile(lan, on));

/** Writes a script that begins like those which people write for ucarp. */
export const script = (lan: Lan, on: Machine, name: string, body: string): string => {
  const file = join(lan.folder, `${on.name}-${name}`);
  writeFileSync(file, `#!/bin/sh\necho "${name} $*" >> ${callsFile(lan, on)}\n${body}\n`, { mode: 0o755 });
  return file;
};

/** Scripts as in ucarp's manual, for both families. */
const LENGTH = 'case "$2" in *:*) p=128 n=nodad ;; *) p=32 n= ;; esac';
export const addingScript = (lan: Lan, on: Machine): string =>
  script(lan, on, 'up', `${LENGTH}\nexec ip addr add "$2/$p" dev "$1" $n`);
export const removingScript = (lan: Lan, on: Machine): string =>
  script(lan, on, 'down', `${LENGTH}\nexec ip addr del "$2/$p" dev "$1"`);

/** The options of a host with the usual scripts; those that follow come last, and win. */
export const options = (lan: Lan, on: Machine, ...more: readonly string[]): readonly string[] => [
  '--interface=eth0',
  `--srcip=${on.ipv4}`,
  '--vhid=7',
  '--pass=secret',
  `--upscript=${addingScript(lan, on)}`,
  `--downscript=${removingScript(lan, on)}`,
  '--facility=none',
  ...more,
];

/** Ours remembers counters in a folder, which tests must not share; ucarp has none, and no option for it. */
export const stateOption = (lan: Lan, on: Machine): string => `--state=${join(lan.folder, `${on.name}-state`)}`;

export const start = (lan: Lan, on: Machine, program: Program, args: readonly string[]): Child =>
  lan.start(on, program, [...PROGRAMS[program], ...(program === 'ours' ? [stateOption(lan, on)] : []), ...args]);

/** Whether it has understood the others of its group. */
export const understood = (child: Child): boolean =>
  child.line(/Bad (digest|TTL|version|IP checksum)|badauth/) === undefined;
