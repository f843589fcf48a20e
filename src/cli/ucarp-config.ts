import { accessSync, constants, statSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { resolve } from 'node:path';
import type { ConfigError } from '../config/findings.ts';
import { parseConfig } from '../config/parse.ts';
import type { HostConfig } from '../config/types.ts';
import { CarpError } from '../ports/error.ts';
import { formatCidr, parseAddress, sameAddress } from '../protocol/address.ts';
import type { UcarpOptions } from './ucarp-options.ts';
import { readSecret, type Secret } from './ucarp-secret.ts';

/** What a command line of ucarp means here. */
export interface UcarpPlan {
  readonly config: HostConfig;
  readonly interface: string;
  /** Absolute names. */
  readonly scripts: { readonly up?: string; readonly down?: string };
  readonly pidfile?: string;
  /** The same for the same options, whatever the password. */
  readonly fingerprint: string;
  readonly warnings: readonly string[];
}

/**
 * Turns options into a configuration of one group.
 * @param known - the password, where it has been read already; otherwise it is read now
 * @throws CarpError CARP_CONFIG, CARP_NO_PERMISSION; never with the password in it
 */
export const planUcarp = (options: UcarpOptions, known?: Secret): UcarpPlan => {
  const { addressing, vhid, addresses, sources, upscript, downscript } = options;
  const device = options.interface ?? interfaceOf(options);
  const name = `${device}-${vhid}`;
  const secret = known ?? readSecret(options);
  const parsed = parseConfig({
    state: options.state === undefined ? `/var/lib/carp/ucarp-${name}` : resolve(options.state),
    ...(options.socket === undefined ? {} : { socket: resolve(options.socket) }),
    groups: [
      {
        name,
        interface: device,
        vhid,
        pass: secret.pass,
        addresses: addresses.map(formatCidr),
        source: sources.map(({ text }) => text),
        ...(options.group === undefined ? {} : { multicast: options.group.text }),
        advbase: options.advbase,
        advskew: options.advskew,
        deadratio: options.deadratio,
        preempt: options.preempt,
        // The scripts take the place of what sets addresses (`VipScripts.around`).
        addressing: addressing === 'scripts' ? 'interface' : addressing,
        compatibility: 'ucarp',
        broadcast: options.broadcast,
        ignoreLink: options.ignoreLink,
      },
    ],
  });
  if (!parsed.ok)
    throw new CarpError('CARP_CONFIG', parsed.errors.map(inItsWords).join('\n      '), {
      remedy: 'carp ucarp --help lists the options',
    });
  const scripts = {
    ...(upscript === undefined ? {} : { up: executable(upscript) }),
    ...(downscript === undefined ? {} : { down: executable(downscript) }),
  };
  return {
    config: parsed.config,
    interface: device,
    scripts,
    fingerprint: fingerprintOf({ ...options, interface: device }, scripts),
    ...(options.pidfile === undefined ? {} : { pidfile: resolve(options.pidfile) }),
    warnings: [...options.hints, ...secret.warnings, ...parsed.warnings.map(inItsWords), ...hintsOf(options)],
  };
};

/** A script that is missing would be found so at the takeover, by a MASTER without address. @throws CarpError CARP_CONFIG */
const executable = (script: string): string => {
  const file = resolve(script);
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true)
    throw new CarpError('CARP_CONFIG', `there is no script ${file}`, { remedy: 'correct --upscript or --downscript' });
  try {
    accessSync(file, constants.X_OK);
    return file;
  } catch {
    throw new CarpError('CARP_CONFIG', `${file} may not be executed`, { remedy: `chmod +x ${file}` });
  }
};

/** What tells one command line from another, and no secret. */
const fingerprintOf = ({ secret: _secret, hints: _hints, ...options }: UcarpOptions, scripts: UcarpPlan['scripts']) =>
  JSON.stringify({ ...options, ...scripts, folder: options.state === undefined ? '' : resolve(options.state) });

/** ucarp takes the first interface that libpcap finds; the one that has the source address is meant. */
const interfaceOf = ({ sources }: UcarpOptions): string => {
  const [source] = sources;
  const found = Object.entries(networkInterfaces()).find(([, entries]) =>
    entries?.some(({ address }) => {
      const own = parseAddress(address);
      return source !== undefined && own !== undefined && sameAddress(own, source);
    }),
  );
  // An alias (eth0:1) is a label of an address, and no interface.
  const device = found?.[0].replace(/:.*/s, '');
  if (device !== undefined) return device;
  throw new CarpError('CARP_CONFIG', `no interface that is up has the address ${source?.text}`, {
    remedy: 'name the interface with --interface; `ip addr` lists them',
  });
};

const hintsOf = ({ addressing, upscript, downscript }: UcarpOptions): readonly string[] => [
  ...(addressing === 'scripts' && upscript === undefined
    ? ['no script is called when going up: nobody sets the address (--upscript, or --addressing interface)']
    : []),
  ...(addressing === 'scripts' && downscript === undefined
    ? ['no script is called when going down: nobody removes the address (--downscript, or --addressing interface)']
    : []),
];

/** Settings under another name; those that are no option are not named. */
const OPTION_OF: Readonly<Record<string, string>> = {
  compatibility: '',
  addresses: 'addr',
  source: 'srcip',
  multicast: 'mcastip',
  broadcast: 'nomcast',
  ignoreLink: 'ignoreifstate',
};

/** Findings name settings of a file that nobody has written: options are what people know. */
const inItsWords = ({ path, message }: ConfigError): string => {
  const [, key, index] = /^groups\[0\]\.(\w+)(?:\[(\d+)\])?/.exec(path) ?? [];
  if (key === undefined) return path === '' || path === 'groups[0]' ? message : `--${path}: ${message}`;
  const option = OPTION_OF[key] ?? key;
  const which = index === undefined || index === '0' ? '' : ` (number ${Number(index) + 1})`;
  return option === '' ? message : `--${option}${which}: ${message}`;
};
