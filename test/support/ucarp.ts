/** Debian's ucarp as a peer. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Child } from './child.ts';
import type { Lan, Machine } from './netns.ts';

export interface UcarpOptions {
  readonly vhid: number;
  readonly pass: string;
  readonly address: string;
  readonly advskew: number;
  readonly preempt?: boolean;
}

const script = (lan: Lan, name: string, command: string): string => {
  const file = join(lan.folder, name);
  // ucarp calls it with interface and address, and knows no other way to configure one. A script that is being written
  // cannot be run, so the next ucarp takes the one that is there.
  if (existsSync(file)) return file;
  writeFileSync(file, `#!/bin/sh\nexec ip addr ${command} "$2/32" dev "$1"\n`, { mode: 0o755 });
  return file;
};

export const startUcarp = (lan: Lan, on: Machine, options: UcarpOptions): Child =>
  lan.start(on, 'ucarp', [
    'ucarp',
    '--interface=eth0',
    `--srcip=${on.ipv4}`,
    `--vhid=${options.vhid}`,
    `--pass=${options.pass}`,
    `--addr=${options.address}`,
    `--advskew=${options.advskew}`,
    `--upscript=${script(lan, 'up', 'add')}`,
    `--downscript=${script(lan, 'down', 'del')}`,
    // At its start it would remove an address that is not there.
    '--neutral',
    '--shutdown',
    '--facility=none',
    ...(options.preempt ? ['--preempt'] : []),
  ]);
