/**
 * Our own parser judges what was imported: what it refuses becomes a remark with its reason. So what is printed is valid,
 * apart from passwords, which are not known here or not to be printed.
 */
import { type ConfigError, describe } from '../findings.ts';
import { parseConfig } from '../parse.ts';
import type { Draft, GroupDraft, Setting } from './draft.ts';
import { show } from './source.ts';

/** Each round takes away at least one thing that is wrong. */
const ROUNDS_MAX = 2000;

/** As in the schema. */
export const GROUPS_MAX = 1024;

/** Without them there is no group. */
const NEEDED = new Set(['name', 'interface', 'vhid']);

export const valuesOf = (list: readonly Setting[]): Readonly<Record<string, unknown>> =>
  Object.fromEntries(list.map(({ key, value }) => [key, value]));

const enabled = (draft: Draft): readonly GroupDraft[] => draft.groups.filter(({ disabled }) => disabled === undefined);

/** As a file would say it, with passwords that are fine. */
const candidate = (draft: Draft): unknown => ({
  node: 'imported',
  ...valuesOf(draft.host),
  groups: enabled(draft).map(({ name, settings }) => {
    const { passfile: _elsewhere, ...values } = valuesOf(settings);
    return { name, ...values, pass: 'imported' };
  }),
});

/** `groups[1].addresses[0]` taken apart. */
const PATH = /^groups\[(\d+)\](?:\.(\w+)(?:\[(\d+)\]|\.(\w+))?)?/;

const without = (group: GroupDraft, path: RegExpExecArray, message: string): GroupDraft => {
  const [, , key, index] = path;
  const found = group.settings.find((each) => each.key === key);
  if (key === undefined || NEEDED.has(key) || found === undefined)
    return { ...group, disabled: key === undefined ? message : `${key}: ${message}` };
  const list = Array.isArray(found.value) && index !== undefined ? (found.value as readonly unknown[]) : undefined;
  const shown = show(JSON.stringify(list === undefined ? found.value : list[Number(index)]) ?? '');
  const rest = list?.filter((_, i) => i !== Number(index));
  const remark = `${key}: ${shown} was left out: ${message}`;
  return {
    ...group,
    remarks: [...group.remarks, remark],
    settings: group.settings.flatMap((each) => {
      if (each.key !== key) return [each];
      return rest === undefined || rest.length === 0 ? [] : [{ ...each, value: rest }];
    }),
  };
};

/** Takes away the first thing that is wrong of each group. `undefined`: nothing is. */
const corrected = (draft: Draft): Draft | undefined => {
  const parsed = parseConfig(candidate(draft), { environment: {} });
  if (parsed.ok) return undefined;
  const present = enabled(draft);
  const wrong = new Map<GroupDraft, GroupDraft>();
  const others: ConfigError[] = [];
  // Paths tell positions in a list that the reader never sees.
  const worded = (message: string): string =>
    message.replace(/groups\[(\d+)\]/g, (whole, index: string) => present[Number(index)]?.name ?? whole);
  for (const error of parsed.errors) {
    const path = PATH.exec(error.path);
    const group = path === null ? undefined : present[Number(path[1])];
    if (path === null || group === undefined) others.push(error);
    else if (!wrong.has(group)) wrong.set(group, without(group, path, worded(error.message)));
  }
  if (wrong.size > 0) return { ...draft, groups: draft.groups.map((group) => wrong.get(group) ?? group) };
  return {
    ...draft,
    // What is left is a setting of the host.
    host: draft.host.filter(({ key }) => !others.some(({ path }) => path.startsWith(key))),
    tail: [...draft.tail, ...others.map((error) => `left out: ${describe(error)}`)],
  };
};

/** Names that may be topics, and are there once. */
const named = (groups: readonly GroupDraft[]): readonly GroupDraft[] => {
  const used = new Set<string>();
  return groups.map((group) => {
    const clean = group.name.replace(/[/+#\p{Cc}\p{Cs}]/gu, '-').slice(0, 56) || 'group';
    let name = clean;
    for (let number = 2; used.has(name); number += 1) name = `${clean}-${number}`;
    used.add(name);
    return { ...group, name };
  });
};

/** The same draft, as far as our parser accepts it. Secrets are never in it. */
export const settled = (draft: Draft): Draft => {
  const left = draft.groups.length - GROUPS_MAX;
  let present: Draft = {
    ...draft,
    groups: named(draft.groups.slice(0, GROUPS_MAX)),
    tail: [...draft.tail, ...(left > 0 ? [`${left} more groups were left out: a host has at most ${GROUPS_MAX}`] : [])],
  };
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const next = corrected(present);
    if (next === undefined) return present;
    present = next;
  }
  return {
    ...present,
    groups: present.groups.map((group) => ({ disabled: 'too much of this file is wrong', ...group })),
  };
};
