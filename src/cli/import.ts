import { createReadStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import {
  IMPORT_SYSTEMS,
  type Imported,
  importConfig,
  isImportSystem,
  type PasswordFile,
  type Passwords,
} from '../config/import/import.ts';
import type { Source } from '../config/import/source.ts';
import { CarpError } from '../ports/error.ts';
import { type Command, Exit, parseOptions, usageError } from './options.ts';
import { note, print, warn } from './output.ts';

const HELP = `Usage: carp import SYSTEM [FILE]... [--passfiles FOLDER | --with-passwords]

Prints the configuration of another system as one of carp, in YAML. What has no equivalent stands as a comment where it
belongs, with its line number; nothing is left out in silence. Read the comments, then: carp check -c FILE.

  ucarp        command lines, scripts with them, systemd units, Debian's /etc/network/interfaces, lines of ps
  rc.conf      FreeBSD: rc.conf, together with sysctl.conf (preempt) and loader.conf
  hostname.if  OpenBSD: /etc/hostname.carp0 …, together with sysctl.conf
  keepalived   keepalived.conf and the files it includes: VRRP, which all hosts of a group have to leave together

  FILE                of that system, several together if they belong together; - or none reads standard input
  --passfiles FOLDER  write each password to FOLDER/GROUP.pass (mode 0600), where the configuration looks for it;
                      without this, the configuration names such files in /etc/carp, and you write them
  --with-passwords    print the passwords with the configuration

Exit code 0 if there is at least one group, 2 if there is none.`;

/** A larger file is no configuration. */
const FILE_BYTES_MAX = 1024 * 1024;
const FILES_MAX = 256;
const DEFAULT_FOLDER = '/etc/carp';
const OWNER_ONLY = 0o600;
const OWNER_ONLY_FOLDER = 0o700;

export const command: Command = {
  summary: "print another system's configuration as one of carp",
  help: HELP,
  run: async (args) => {
    const { values, positionals } = parseOptions('import', args, {
      options: { passfiles: { type: 'string' }, 'with-passwords': { type: 'boolean', default: false } },
      allowPositionals: true,
    });
    const [system, ...named] = positionals;
    if (system === undefined) throw usageError('import', `from which system? ${IMPORT_SYSTEMS.join(', ')}`);
    if (!isImportSystem(system))
      throw usageError('import', `${system} is none of the systems ${IMPORT_SYSTEMS.join(', ')}`);
    const { passfiles, 'with-passwords': inline } = values;
    if (inline && passfiles !== undefined)
      throw usageError('import', '--passfiles and --with-passwords exclude each other');
    if (passfiles === '') throw usageError('import', '--passfiles needs the name of a folder');
    const files = named.length === 0 ? ['-'] : named;
    if (files.length > FILES_MAX) throw usageError('import', `at most ${FILES_MAX} files`);
    if (files.filter((file) => file === '-').length > 1)
      throw usageError('import', 'standard input can be read once; name - once');
    if (files.includes('-') && process.stdin.isTTY) note('reading standard input; end it with Ctrl-D');
    const sources: Source[] = [];
    for (const file of files) sources.push({ name: file, text: await readSource(file) });
    const passwords: Passwords = inline
      ? { type: 'inline' }
      : { type: 'files', folder: passfiles === undefined ? DEFAULT_FOLDER : resolve(passfiles) };
    const imported = importConfig(system, sources, passwords);
    if (imported.groups === 0) throw nothing(system, imported);
    if (passfiles !== undefined) writePasswords(resolve(passfiles), imported.passwordFiles);
    print(imported.yaml.trimEnd());
    tell(imported, passfiles !== undefined);
    return Exit.done;
  },
};

/** At most one byte more than allowed. @throws CarpError CARP_CONFIG, CARP_NO_PERMISSION */
const readSource = async (file: string): Promise<string> => {
  const name = file === '-' ? 'standard input' : file;
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    const stream: Readable = file === '-' ? process.stdin : createReadStream(file);
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > FILE_BYTES_MAX) break;
      chunks.push(chunk);
    }
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    const isDenied = code === 'EACCES' || code === 'EPERM';
    throw new CarpError(isDenied ? 'CARP_NO_PERMISSION' : 'CARP_CONFIG', `cannot read ${name}: ${code}`, {
      remedy: `ls -l ${file}`,
    });
  }
  if (length > FILE_BYTES_MAX)
    throw new CarpError('CARP_CONFIG', `${name} is larger than 1 MiB`, { remedy: 'name the file that is about CARP' });
  const bytes = Buffer.concat(chunks);
  if (bytes.includes(0))
    throw new CarpError('CARP_CONFIG', `${name} is no text`, { remedy: 'name the file that is about CARP' });
  // Comments of old files are often Latin-1; what is not UTF-8 is shown as a replacement character.
  return bytes.toString('utf8');
};

/** @throws CarpError CARP_CONFIG: another password is there already; CARP_NO_PERMISSION, CARP_FAILED */
const writePasswords = (folder: string, files: readonly PasswordFile[]): void => {
  const written: string[] = [];
  try {
    mkdirSync(folder, { recursive: true, mode: OWNER_ONLY_FOLDER });
    // First a look at all of them: half of a job is worse than none.
    const missing = files.filter(({ file, password }) => {
      const present = readIfThere(file);
      if (present === undefined) return true;
      if (present === `${password}\n` || present === password) return false;
      throw new CarpError('CARP_CONFIG', `${file} has another password already`, {
        remedy: 'remove it, or name another folder',
      });
    });
    for (const { file, password } of missing) {
      // `x`: a link that somebody has put there is not followed.
      writeFileSync(file, `${password}\n`, { mode: OWNER_ONLY, flag: 'wx' });
      written.push(file);
    }
  } catch (error) {
    if (error instanceof CarpError) throw error;
    const { code = 'unknown error', path = folder } = error as NodeJS.ErrnoException;
    const isDenied = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
    const done = written.length === 0 ? '' : `; written so far: ${written.join(', ')}`;
    throw new CarpError(isDenied ? 'CARP_NO_PERMISSION' : 'CARP_FAILED', `cannot write ${path}: ${code}${done}`, {
      remedy: `ls -ld ${folder}`,
    });
  }
};

const readIfThere = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

const nothing = (system: string, { disabled, remarks }: Imported): CarpError =>
  new CarpError(
    'CARP_CONFIG',
    [
      `nothing was found that could become a group (${system})`,
      ...disabled.map(({ name, why }) => `${name}: ${why}`),
      ...remarks,
    ]
      .slice(0, 20)
      .join('\n  '),
    { remedy: 'carp import --help names the systems and their files' },
  );

/** For the person at the terminal: the file itself has it in its comments. */
const tell = ({ groups, disabled, passwordFiles }: Imported, areWritten: boolean): void => {
  note(`${groups} ${groups === 1 ? 'group' : 'groups'}; read the comments, then: carp check -c FILE`);
  for (const { name, why } of disabled) warn(`${name} stands as a comment: ${why.replaceAll('\n', ' ')}`);
  for (const { file, place } of passwordFiles)
    note(areWritten ? `written: ${file}` : `write the password of ${place} to ${file} (--passfiles FOLDER does it)`);
};
