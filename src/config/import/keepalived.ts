/** keepalived.conf(5): VRRP instances as groups. The protocols differ, the wishes are the same. */
import { type Draft, type GroupDraft, type Remark, type Setting, setting } from './draft.ts';
import { readChecks } from './keepalived-checks.ts';
import { type Defaults, groupOf, merged } from './keepalived-instance.ts';
import {
  conditionalRemark,
  type Line,
  Numbers,
  numberOf,
  quoted,
  readKeepalived,
  unconditional,
} from './keepalived-text.ts';
import { GROUPS_MAX } from './settle.ts';
import { type Place, placeIn, type Source } from './source.ts';

const HEAD: readonly Remark[] = [
  'Made from the configuration of keepalived, which speaks VRRP. CARP is another protocol: hosts with one do not hear those\n' +
    'with the other, and both would be MASTER. Change all hosts of a group together: stop keepalived on all of them first.',
  'Priorities are turned around: advskew is 255 - priority, from 0 to 254, and the lowest one is preferred. It also makes\n' +
    'adverts rarer, by advskew/256 s, and takeovers later by as much: lower all of them alike to have faster ones.',
  'virtual_router_id becomes vhid. No other CARP or VRRP host of the network may use the same number.',
];

const defaultsOf = (top: readonly Line[], place: Place, tail: Remark[]): Defaults => {
  const host: Setting[] = [];
  const numbers = new Numbers(place);
  let refresh: number | undefined;
  for (const { block = [] } of top.filter(({ words }) => words[0] === 'global_defs'))
    for (const line of block) {
      const [word, value] = line.words;
      if (word === 'vrrp_garp_master_refresh')
        refresh = numbers.of([line], word, 'it was left out, and the default of carp holds');
      else if (word === 'vrrp_startup_delay' && numberOf(value) !== undefined)
        host.push(setting('startDelay', numberOf(value), `${place(line.line)}: vrrp_startup_delay`));
      else if (word === 'router_id')
        tail.push(
          `${place(line.line)}: ${quoted(line)}: \`node\` names a host in events and topics; without it, the host name does`,
        );
      else if (word === 'script_user' || word === 'enable_script_security')
        tail.push(`${place(line.line)}: ${quoted(line)}: hooks and checks run as the user of the agent`);
      else tail.push(`${place(line.line)}: ${quoted(line)}: no equivalent`);
    }
  tail.push(...numbers.remarks);
  return { host, refresh };
};

const syncGroups = (top: readonly Line[], place: Place, tail: Remark[]): ReadonlyMap<string, string> => {
  const syncOf = new Map<string, string>();
  for (const { line, words, block = [] } of top) {
    if (words[0] !== 'vrrp_sync_group') continue;
    const name = (words[1] ?? `line ${line}`).slice(0, 64);
    for (const each of block) {
      if (each.words[0] === 'group')
        // One member a line, or several.
        for (const member of [...each.words.slice(1), ...(each.block ?? []).flatMap((one) => one.words)])
          syncOf.set(member, name);
      else
        tail.push(
          `${place(each.line)}: ${quoted(each)}: a sync has no settings of its own; hooks and track belong to each of its groups`,
        );
    }
  }
  return syncOf;
};

const KNOWN = new Set(['global_defs', 'vrrp_sync_group', 'vrrp_instance', 'vrrp_script', 'vrrp_track_process']);

const unknownRemark = (line: Line, place: Place): Remark => {
  const [word = ''] = line.words;
  const where = line.end > line.line ? `${place(line.line)} to ${line.end}` : place(line.line);
  if (/^include/.test(word)) return `${where}: ${quoted(line)}: not read; name that file, too`;
  if (/^(virtual_server|real_server|SSL|local_address_group)/.test(word))
    return `${where}: ${quoted(line)}: load balancing is no task of carp; keepalived can go on with that (keepalived --check)`;
  if (/^static_/.test(word)) return `${where}: ${quoted(line)}: belongs to the network configuration of the system`;
  return `${where}: ${quoted(line)}: no equivalent`;
};

/** Reads keepalived.conf and the files that it includes, if they are named, too. */
export const importKeepalived = (sources: readonly Source[]): Draft => {
  const tail: Remark[] = [];
  const groups: GroupDraft[] = [];
  const host: Setting[] = [];
  const trees = sources.map((source) => {
    const place = placeIn(source, sources);
    const { lines: all, faults } = readKeepalived(source.text);
    tail.push(...faults.map(({ line, message }) => `${place(line)}: ${message}`));
    const tell = (line: Line): unknown => tail.push(`${place(line.line)}: ${conditionalRemark(line)}`);
    // An instance tells its conditions itself.
    const isWhole = ({ words, condition }: Line): boolean => words[0] === 'vrrp_instance' && condition === undefined;
    return { place, lines: all.flatMap((line) => (isWhole(line) ? [line] : unconditional([line], tell))) };
  });
  // Scripts and syncs may stand in another file than the instances.
  const checks = readChecks(trees, tail);
  const syncOf = new Map(trees.flatMap(({ lines, place }) => [...syncGroups(lines, place, tail)]));
  for (const { place, lines } of trees) {
    const defaults = defaultsOf(lines, place, tail);
    host.push(...defaults.host);
    for (const line of lines) {
      const [word = '', name] = line.words;
      if (word === 'vrrp_instance')
        groups.push(groupOf(name ?? `line ${line.line}`, line, { place, checks, syncOf, defaults }));
      else if (!KNOWN.has(word)) tail.push(unknownRemark(line, place));
    }
  }
  // Joining compares each with each other.
  if (groups.length > 2 * GROUPS_MAX) tail.push(`${groups.length - 2 * GROUPS_MAX} more instances were left out`);
  return { head: HEAD, host, groups: merged(groups.slice(0, 2 * GROUPS_MAX)), tail };
};
