import { readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { distinctUntilChanged, map, type Observable, type SchedulerLike, skip, timer } from 'rxjs';

const POLL_MS = 250;

/** What changes with links and addresses, in half a millisecond. Addresses of links without carrier are not in it. */
const glance = (): string => {
  const folder = '/sys/class/net';
  const states = namesIn(folder).map((name) => [
    name,
    ...['ifindex', 'flags', 'carrier'].map((file) => contentOf(`${folder}/${name}/${file}`)),
  ]);
  return JSON.stringify([states, networkInterfaces()]);
};

const namesIn = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

/** `carrier` of a link that is down cannot be read: EINVAL. */
const contentOf = (file: string): string => {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
};

/** Emits when something seems to have changed, for as long as nobody listens to the kernel. Cold, silent at first. */
export const glances = (scheduler: SchedulerLike): Observable<unknown> =>
  timer(0, POLL_MS, scheduler).pipe(map(glance), distinctUntilChanged(), skip(1));
