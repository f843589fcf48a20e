import { isAbsolute, resolve } from 'node:path';
import { CarpError } from '../ports/error.ts';
import { error, type Finding, type Path, warning } from './findings.ts';
import type { Loose } from './loose.ts';
import { missingVariable, PASSWORD_KEYS, type Passfile, passwordProblem, readPassfile } from './password.ts';
import type { GroupConfig, MqttConfig } from './types.ts';

/** Where names of files and of variables lead. */
export interface Surroundings {
  /** Relative file names start here: the folder of the configuration file. */
  readonly baseFolder: string;
  readonly environment: NodeJS.ProcessEnv;
}

export const absolute = (file: string, baseFolder: string): string =>
  isAbsolute(file) ? file : resolve(baseFolder, file);

const tryPassfile = (file: string): { readonly read?: Passfile; readonly problem?: string } => {
  try {
    return { read: readPassfile(file) };
  } catch (cause) {
    if (!(cause instanceof CarpError)) throw cause;
    return { problem: `${cause.message}; ${cause.remedy}` };
  }
};

const publicFile = (file: string): string => `everybody on this system can read ${file}; run chmod o= ${file}`;

const EMPTY = 'the password is empty, so that any host on the network can join the group; set pass or passfile';

const checkPassword = (password: Uint8Array, path: Path): readonly Finding[] => {
  const problem = passwordProblem(password);
  if (problem !== undefined) return [error(path, problem)];
  return password.length === 0 ? [warning(path, EMPTY)] : [];
};

const checkPassfile = (name: string, path: Path, { baseFolder }: Surroundings): readonly Finding[] => {
  const file = absolute(name, baseFolder);
  const { read, problem = '' } = tryPassfile(file);
  if (read === undefined) return [error(path, problem)];
  const exposed = read.isPublic ? [warning(path, publicFile(file))] : [];
  return [...exposed, ...checkPassword(read.password, path)];
};

/** Rules for the password of a group, wherever it is kept. */
export const passwordRules = (group: Loose<GroupConfig>, at: Path, around: Surroundings): readonly Finding[] => {
  const given = PASSWORD_KEYS.filter((key) => group[key] !== undefined);
  const { pass, passfile, passEnv } = group;
  if (given.length > 1)
    return [error(at, `has ${given.join(' and ')}; keep one, because they are different places for one password`)];
  if (pass !== undefined) return checkPassword(Buffer.from(pass), [...at, 'pass']);
  if (passfile !== undefined) return checkPassfile(passfile, [...at, 'passfile'], around);
  if (passEnv === undefined) return [warning(at, EMPTY)];
  const value = around.environment[passEnv];
  const path = [...at, 'passEnv'];
  return value === undefined ? [error(path, missingVariable(passEnv))] : checkPassword(Buffer.from(value), path);
};

/** Rules for the password of the MQTT broker. */
export const mqttPasswordRules = (mqtt: Loose<MqttConfig>, around: Surroundings): readonly Finding[] => {
  const { password, passwordFile } = mqtt;
  if (password !== undefined && passwordFile !== undefined)
    return [error(['mqtt'], 'has password and passwordFile; keep one')];
  if (passwordFile === undefined) return [];
  const path = ['mqtt', 'passwordFile'];
  const file = absolute(passwordFile, around.baseFolder);
  const { read, problem = '' } = tryPassfile(file);
  if (read === undefined) return [error(path, problem)];
  return read.isPublic ? [warning(path, publicFile(file))] : [];
};
