/** What a test needs from the machine it runs on, and the reason to skip it where that is missing. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';

const { PATH = '' } = process.env;
/** Tools for administrators are often not in the PATH of a test run. */
const FOLDERS = [...PATH.split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin'];

/** Debian's names of the packages that bring the tools. */
const PACKAGES: Readonly<Record<string, string>> = {
  arping: 'iputils-arping',
  ip: 'iproute2',
  mosquitto: 'mosquitto',
  mosquitto_sub: 'mosquitto-clients',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  tcpdump: 'tcpdump',
  tshark: 'tshark',
  ucarp: 'ucarp',
};

const executable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** Where a tool is, or `undefined`. */
export const toolPath = (name: string): string | undefined =>
  FOLDERS.filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(executable);

const resolves = (name: string): boolean => {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
};

/** Root inside a container may still not be allowed to make namespaces. */
const canMakeNamespaces = (): boolean => {
  const name = `carp${process.pid}-try`;
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'ignore' });
    execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

/** The reason to skip a test that builds network namespaces and needs these tools, or `false` when it can run. */
export const missingForWire = (...tools: readonly string[]): string | false => {
  if (process.platform !== 'linux') return 'needs Linux';
  if (process.getuid?.() !== 0) return 'needs root, for network namespaces';
  for (const tool of ['ip', 'nsenter', ...tools])
    if (toolPath(tool) === undefined) return `needs ${tool}: apt-get install ${PACKAGES[tool] ?? tool}`;
  return canMakeNamespaces() ? false : 'needs permission to make network namespaces (CAP_SYS_ADMIN)';
};

/** As `missingForWire`, for tests that run our own agent. */
export const missingForAgent = (...tools: readonly string[]): string | false =>
  missingForWire(...tools) || (resolves('koffi') ? false : 'needs koffi: npm install');

/** Why the module raw-socket cannot be used by this Node.js, or `false`. It is native code that npm may not build. */
export const missingRawSocket = (): string | false => {
  try {
    createRequire(import.meta.url)('raw-socket');
    return false;
  } catch (error) {
    const isAbsent = !resolves('raw-socket');
    const why = error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error);
    return isAbsent
      ? 'needs raw-socket: npm install'
      : `needs raw-socket for this Node.js: npm rebuild raw-socket (${why})`;
  }
};

/** The reason to skip a test in which another user runs this file, or `false`: some homes are closed to others. */
export const unreadableByOthers = (file: string): string | false => {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if ((statSync(folder, { throwIfNoEntry: false })?.mode ?? 1) % 2 === 0)
      return `needs ${folder} to be open to other users`;
    if (folder === dirname(folder)) return false;
  }
};
