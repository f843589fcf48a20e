/** Other systems' configuration as ours. Pure: whoever calls reads the files, and writes what comes out. */
import type { Draft, GroupDraft, Remark, Secret, Setting } from './draft.ts';
import { setting } from './draft.ts';
import { importHostnameIf } from './hostname-if.ts';
import { importKeepalived } from './keepalived.ts';
import { importRcConf } from './rc-conf.ts';
import { render } from './render.ts';
import { settled } from './settle.ts';
import type { Source } from './source.ts';
import { importUcarp } from './ucarp.ts';

/** Systems by the name that the command gives them. */
const SYSTEMS = {
  ucarp: importUcarp,
  'rc.conf': importRcConf,
  'hostname.if': importHostnameIf,
  keepalived: importKeepalived,
} as const satisfies Readonly<Record<string, (sources: readonly Source[]) => Draft>>;

export type ImportSystem = keyof typeof SYSTEMS;
export const IMPORT_SYSTEMS = Object.keys(SYSTEMS) as readonly ImportSystem[];

export const isImportSystem = (name: string): name is ImportSystem => Object.hasOwn(SYSTEMS, name);

/** Where the passwords that are found go: into a file beside each group, or into the text. */
export type Passwords = { readonly type: 'files'; readonly folder: string } | { readonly type: 'inline' };

export interface PasswordFile {
  readonly file: string;
  readonly password: string;
  /** Where it was read. */
  readonly place: string;
}

export interface Imported {
  /** The configuration as YAML. With `files`, there is no password in it. */
  readonly yaml: string;
  /** Groups that are in force. */
  readonly groups: number;
  /** Groups that stand as comments, with the reason. */
  readonly disabled: readonly { readonly name: string; readonly why: string }[];
  /** What the configuration refers to, and does not exist yet. */
  readonly passwordFiles: readonly PasswordFile[];
  /** What belongs to no group. */
  readonly remarks: readonly Remark[];
}

const fileOf = (name: string, folder: string): string =>
  `${folder.replace(/\/+$/, '')}/${name.replace(/[^\w.-]+/g, '-').replace(/^\.+/, '')}.pass`;

/** A file of its own for each password and group: two names may become one name of a file. */
const uniqueFile = (name: string, folder: string, used: Set<string>): string => {
  let file = fileOf(name, folder);
  for (let number = 2; used.has(file); number += 1) file = fileOf(`${name}-${number}`, folder);
  used.add(file);
  return file;
};

const afterVhid = (settings: readonly Setting[], added: Setting): readonly Setting[] => {
  const at = settings.findIndex(({ key }) => key === 'vhid') + 1;
  return [...settings.slice(0, at), added, ...settings.slice(at)];
};

const passwordSetting = ({ password, place }: Secret, file: string, passwords: Passwords): Setting => {
  if (passwords.type === 'inline') return setting('pass', password);
  return setting(
    'passfile',
    file,
    `The password of ${place}; its first line, readable for the agent only (mode 0600).`,
  );
};

/** Reads files of another system. Never throws: what is not understood stands in the text as a comment. */
export const importConfig = (system: ImportSystem, sources: readonly Source[], passwords: Passwords): Imported => {
  const draft = settled(SYSTEMS[system](sources));
  const files: PasswordFile[] = [];
  const used = new Set<string>();
  const groups = draft.groups.map((group): GroupDraft => {
    const { secret, name } = group;
    if (secret === undefined) return group;
    const file = passwords.type === 'files' ? uniqueFile(name, passwords.folder, used) : '';
    if (passwords.type === 'files') files.push({ file, password: secret.password, place: secret.place });
    return { ...group, settings: afterVhid(group.settings, passwordSetting(secret, file, passwords)) };
  });
  return {
    yaml: render({ ...draft, groups }),
    groups: groups.filter(({ disabled }) => disabled === undefined).length,
    disabled: groups.flatMap(({ name, disabled }) => (disabled === undefined ? [] : [{ name, why: disabled }])),
    passwordFiles: files,
    remarks: draft.tail,
  };
};
