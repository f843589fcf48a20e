/** What there is to say about this process and this machine, apart from its network. Changes nothing. */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { dirname, resolve } from 'node:path';
import { libc } from '../adapters/linux/libc.ts';
import { noPermission } from '../adapters/linux/no-permission.ts';
import { loadRawSocket } from '../adapters/raw-socket/load-raw-socket.ts';
import { missingCapabilities } from '../agent/privileges.ts';
import { packageVersion } from '../agent/version.ts';
import type { GroupConfig } from '../config/types.ts';
import { type Problem, problemOf } from '../ports/error.ts';
import { type Finding, missing, ok, warning } from './doctor-finding.ts';

/** As `engines` of package.json. */
const NODE_MIN = [20, 19] as const;
/** Bit of capability.h. */
const CAP_SYS_NICE = 23n;

export const nodeFinding = (version = process.versions.node): Finding => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isOld = major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1]);
  return isOld
    ? missing('node', `Node.js ${version} is too old`, `install Node.js ${NODE_MIN.join('.')} or newer: nodejs.org`)
    : ok('node', `Node.js ${version}, carp ${packageVersion()}`);
};

/** What native code there is: each either loads or says why not. */
export interface NativeModules {
  /** @throws CarpError CARP_NO_TRANSPORT */
  readonly koffi: () => unknown;
  /** @throws CarpError CARP_NO_TRANSPORT */
  readonly rawSocket: () => unknown;
}

const problemOfLoading = (load: () => unknown): Problem | undefined => {
  try {
    load();
    return undefined;
  } catch (error) {
    return problemOf(error);
  }
};

/**
 * Whether adverts can be sent at all, and in the way that groups ask for: platform, architecture, native modules. One of
 * the two is enough; koffi does everything, and the other what is left without it.
 *
 * @param wanted - `transport` of the groups that are not simulated
 */
export const nativeFindings = (
  wanted: readonly GroupConfig['transport'][],
  { koffi, rawSocket }: NativeModules = { koffi: () => libc(), rawSocket: () => loadRawSocket() },
): readonly Finding[] => {
  const lackingKoffi = problemOfLoading(koffi);
  const lackingRaw = problemOfLoading(rawSocket);
  const here = `${process.platform} ${process.arch}`;
  const lacks = (about: string, { message, remedy }: Problem): Finding => missing(about, message, remedy);
  const koffiFinding = (): Finding => {
    if (lackingKoffi === undefined) return ok('koffi', `koffi loads on ${here}`);
    const isNeeded = lackingRaw !== undefined || wanted.includes('koffi');
    return isNeeded
      ? lacks('koffi', lackingKoffi)
      : warning(
          'koffi',
          `${lackingKoffi.message}: without it no virtual MAC, no broadcast frames, no hop limits of IPv6`,
          lackingKoffi.remedy ?? 'use transport: raw-socket',
        );
  };
  const rawFinding = (): Finding => {
    if (lackingRaw === undefined) return ok('raw-socket', `raw-socket loads on ${here}`);
    const isNeeded = lackingKoffi !== undefined || wanted.includes('raw-socket');
    return isNeeded ? lacks('raw-socket', lackingRaw) : ok('raw-socket', `${lackingRaw.message}; koffi does its work`);
  };
  return [koffiFinding(), rawFinding()];
};

/** @param agentRuns - another process is the agent: what it may is what counts */
export const privilegeFindings = (
  agentRuns: boolean,
  status = readFileSync('/proc/self/status', 'utf8'),
): readonly Finding[] => {
  const lacking = missingCapabilities(status);
  const about = 'privileges';
  const { message, remedy } = noPermission('carp run');
  if (lacking.length === 0)
    return [ok(about, 'this user has CAP_NET_RAW and CAP_NET_ADMIN'), ...priorityFindings(status)];
  return agentRuns
    ? [ok(about, `this user has no ${lacking.join(' and no ')}; the agent that runs has its own`)]
    : [missing(about, `this user has no ${lacking.join(' and no ')}: ${message}`, remedy)];
};

const priorityFindings = (status: string): readonly Finding[] => {
  const [, digits = '0'] = /^CapEff:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  const may = ((BigInt(`0x${digits}`) >> CAP_SYS_NICE) & 1n) === 1n;
  if (may || getPriority() < 0) return [ok('priority', 'the agent may run before others')];
  return [
    warning(
      'priority',
      'the agent runs with the priority of everybody else, and adverts are late when the machine is busy',
      'in the systemd unit: Nice=-20',
    ),
  ];
};

/** Whether a folder can be made and written to by this user. */
export const folderFinding = (about: string, folder: string, setting: string): Finding => {
  let nearest = resolve(folder);
  while (!existsSync(nearest) && nearest !== dirname(nearest)) nearest = dirname(nearest);
  try {
    accessSync(nearest, constants.W_OK | constants.X_OK);
    return ok(about, nearest === resolve(folder) ? `${folder} is writable` : `${folder} can be made`);
  } catch {
    return missing(
      about,
      `this user cannot write to ${nearest}`,
      `sudo install -d -m 0750 -o ${process.getuid?.() ?? 0} -g ${process.getgid?.() ?? 0} ${folder}; in the systemd unit: ${about === 'socket' ? 'RuntimeDirectory' : 'StateDirectory'}=carp; or set \`${setting}\` to another path`,
    );
  }
};
