import { writeFileSync } from 'node:fs';
import type { UcarpOptions } from './ucarp-options.ts';

/** What `ps` shows: as for ucarp, so that `pkill -f` finds one of several, but without the password. */
export const titleOf = ({ interface: device, sources, vhid, addresses }: UcarpOptions): string =>
  [
    'ucarp',
    ...(device === undefined ? [] : [`--interface=${device}`]),
    ...sources.map(({ text }) => `--srcip=${text}`),
    `--vhid=${vhid}`,
    ...addresses.map(({ address }) => `--addr=${address.text}`),
  ].join(' ');

/** The command line takes the password out of everybody's sight; the short name is for killall(1) and pidof(1). */
export const setTitle = (options: UcarpOptions): void => {
  process.title = titleOf(options);
  try {
    writeFileSync('/proc/self/comm', 'ucarp');
  } catch {
    // Not on this system.
  }
};
