/** ucarp(8): command lines, scripts that start it, systemd units, and the stanzas of Debian's /etc/network/interfaces. */
import type { Draft, GroupDraft, Remark } from './draft.ts';
import { readInterfaces } from './interfaces.ts';
import { GROUPS_MAX } from './settle.ts';
import { readScript } from './shell.ts';
import { type Place, placeIn, type Source, show, unrelatedRemark } from './source.ts';
import { groupOf } from './ucarp-group.ts';
import { type FoundStarts, nestedRemarks, startsIn } from './ucarp-starts.ts';
import { readUnit } from './ucarp-unit.ts';

const HEAD: readonly Remark[] = [
  'Made from the command lines of ucarp. Hosts of this configuration and hosts with ucarp work in one group: change one\nafter the other. (`carp ucarp` takes the same command lines, without a file.)',
];

const isInterfaces = (text: string): boolean => /^[ \t]*iface[ \t]/m.test(text);
const isUnit = (text: string): boolean => /^[ \t]*Exec(Start|Condition|StartPre)[ \t]*=/m.test(text);

const readAsScript = (text: string, place: Place): FoundStarts => {
  const { commands, assignments, faults } = readScript(text);
  const { starts, nested, others } = startsIn(commands);
  const names = new Map<string, Set<string>>();
  for (const { name, value } of assignments) names.set(name, (names.get(name) ?? new Set()).add(value.text));
  const ambiguous = new Map([...names].flatMap(([name, values]) => (values.size > 1 ? [[name, [...values]]] : [])));
  // What stands in no word of theirs may be a word that is missing.
  const told = new Set<string>();
  for (const { words } of starts) for (const { from = [] } of words) for (const name of from) told.add(name);
  const silent = starts.length === 0 ? [] : [...ambiguous.keys()].filter((name) => !told.has(name));
  return {
    starts: starts.map((start) => ({ ...start, ambiguous })),
    others,
    remarks: [
      ...faults.map(({ line, message }) => `${place(line)}: ${message}`),
      ...nestedRemarks(nested, place),
      ...silent.map(
        (name) =>
          `the variable ${show(name)} has several values in this script: each ucarp has got the last one above it`,
      ),
    ],
  };
};

/** Reads files of one or several of the formats in which people start ucarp. */
export const importUcarp = (sources: readonly Source[]): Draft => {
  const groups: GroupDraft[] = [];
  const tail: Remark[] = [];
  for (const source of sources) {
    const place = placeIn(source, sources);
    const read = isInterfaces(source.text) ? readInterfaces : isUnit(source.text) ? readUnit : readAsScript;
    const { starts, others, remarks } = read(source.text, place);
    const room = Math.max(0, GROUPS_MAX - groups.length);
    groups.push(...starts.slice(0, room).map((start) => groupOf(start, place)));
    if (starts.length > room)
      tail.push(`${starts.length - room} more were left out: a host has at most ${GROUPS_MAX} groups`);
    tail.push(...remarks, ...unrelatedRemark(others, source, sources));
  }
  return { head: HEAD, host: [], groups, tail };
};
