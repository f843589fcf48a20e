/** Lines of sysctl.conf(5) that are about CARP, for FreeBSD and OpenBSD. */
import type { Remark, Setting } from './draft.ts';
import { setting } from './draft.ts';
import type { Command } from './shell.ts';
import { show } from './source.ts';

export interface Sysctl {
  readonly line: number;
  readonly place: string;
  readonly name: string;
  readonly value: string;
}

/** `net.inet.carp.preempt=1`, also as a command `sysctl net.inet.carp.preempt=1`. */
const LINE = /(?:^|\s)(net\.inet6?\.carp\.\w+|net\.pfsync\.carp_demotion_factor)\s*=\s*(\S*)/;

export const sysctlsIn = (
  commands: readonly Command[],
): { readonly sysctls: readonly Sysctl[]; readonly others: readonly number[] } => {
  const sysctls: Sysctl[] = [];
  const others: number[] = [];
  for (const { line, words } of commands) {
    const [, name, value = ''] = LINE.exec(words.map(({ text }) => text).join(' ')) ?? [];
    if (name === undefined) others.push(line);
    else sysctls.push({ line, place: '', name, value });
  }
  return { sysctls, others };
};

interface Meaning {
  /** In each group. */
  readonly group: readonly Setting[];
  readonly host: readonly Setting[];
  /** What is said at the top, because it is about all groups. */
  readonly remarks: readonly Remark[];
  readonly tail: readonly Remark[];
}

const isSmall = (value: string, max: number): boolean => /^\d{1,6}$/.test(value) && Number(value) <= max;

const WEIGHT_MAX = 65_535;

/** What these lines mean for our groups. Those of FreeBSD demote all groups of a host together; OpenBSD's go by interface groups. */
export const bsdSysctls = (sysctls: readonly Sysctl[], system: 'freebsd' | 'openbsd'): Meaning => {
  const demotion: Record<string, unknown> = {};
  const group: Setting[] = [];
  const tail: Remark[] = [];
  const say = ({ place, name, value }: Sysctl, remark: string): unknown =>
    tail.push(`${place}: ${name}=${show(value)}: ${remark}`);
  // Of several lines for one name the last counts.
  const last = new Map(sysctls.map((sysctl) => [sysctl.name, sysctl]));
  for (const sysctl of last.values()) {
    const { place, value } = sysctl;
    switch (sysctl.name.replace(/^net\.(inet6?\.carp|pfsync)\./, '')) {
      case 'preempt':
        if (value === '1') group.push(setting('preempt', true, `${place}: net.inet.carp.preempt=1`));
        else if (value !== '0') say(sysctl, 'not understood');
        break;
      case 'dscp':
        if (isSmall(value, 63)) group.push(setting('dscp', Number(value), `${place}: net.inet.carp.dscp`));
        else say(sysctl, 'not a number from 0 to 63');
        break;
      case 'ifdown_demotion_factor':
        if (isSmall(value, WEIGHT_MAX)) demotion['linkDown'] = Number(value);
        else say(sysctl, 'not understood');
        break;
      case 'senderr_demotion_factor':
        if (isSmall(value, WEIGHT_MAX)) demotion['sendErrors'] = Number(value);
        else say(sysctl, 'not understood');
        break;
      case 'carp_demotion_factor':
        say(sysctl, 'pfsync has no equivalent here');
        break;
      case 'demotion':
        say(sysctl, 'use `carp demote REASON WEIGHT` while the agent runs, or `carp maintenance on`');
        break;
      case 'allow':
        if (value === '0') say(sysctl, 'this host takes no part in CARP; `carp maintenance on` is what comes closest');
        break;
      case 'log':
        say(sysctl, 'use `carp run --verbose` for more than what went wrong');
        break;
      default:
        say(sysctl, 'not understood');
    }
  }
  if (system === 'freebsd') demotion['scope'] = 'host';
  const scope = 'FreeBSD demotes all groups of a host together. Remove scope to have only those of one sync demoted.';
  return {
    group,
    host:
      Object.keys(demotion).length === 0
        ? []
        : [setting('demotion', demotion, ...(system === 'freebsd' ? [scope] : []))],
    remarks: last.has('net.inet.carp.preempt')
      ? []
      : [
          'Preemption is a sysctl there (net.inet.carp.preempt), off by default: name sysctl.conf, too, or set preempt below.',
        ],
    tail,
  };
};
