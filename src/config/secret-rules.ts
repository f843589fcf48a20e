import { isUtf8 } from 'node:buffer';
import { isAbsolute, resolve } from 'node:path';
import { parseEndpoint } from '../adapters/mqtt/connection/endpoint.ts';
import { PASSWORD_BYTES_MAX, passwordIn } from '../adapters/mqtt/connection/login.ts';
import { CarpError } from '../ports/error.ts';
import { error, type Finding, type Path, warning } from './findings.ts';
import type { Loose } from './loose.ts';
import { missingVariable, PASSWORD_KEYS, type Passfile, passwordProblem, readPassfile } from './password.ts';
import { readSettingFile } from './setting-file.ts';
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

/** What to do about a secret that is none. */
export const publicFile = (file: string): string => `everybody on this system can read ${file}; run chmod o= ${file}`;

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

const MQTT_PASSWORD_KEYS = ['password', 'passwordFile', 'passwordEnv'] as const;

/** Rules for the password of the MQTT broker, and for the name that goes with it. */
export const mqttPasswordRules = (mqtt: Loose<MqttConfig>, around: Surroundings): readonly Finding[] => {
  const given = MQTT_PASSWORD_KEYS.filter((key) => mqtt[key] !== undefined);
  if (given.length > 1)
    return [
      error(['mqtt'], `has ${given.join(' and ')}; keep one, because they are different places for one password`),
    ];
  if (given.length === 0) return [];
  return [...loginNameRules(mqtt), ...mqttPasswordPlace(mqtt, around)];
};

/** MQTT 3.1.1 has no password without a name, and mqtt.js sends none in MQTT 5 either. */
const loginNameRules = ({ username, url }: Loose<MqttConfig>): readonly Finding[] => {
  const urls = typeof url === 'string' ? [url] : (url ?? []);
  const isNamed = username !== undefined || urls.some((one) => parseEndpoint(one ?? '')?.username !== undefined);
  return isNamed || urls.length === 0
    ? []
    : [
        error(
          ['mqtt', 'username'],
          'is missing: a password needs a name as well; any name will do for a broker that ignores it',
        ),
      ];
};

const mqttPasswordPlace = (
  { passwordFile, passwordEnv }: Loose<MqttConfig>,
  { baseFolder, environment }: Surroundings,
): readonly Finding[] => {
  if (passwordEnv !== undefined)
    return environment[passwordEnv] === undefined ? [error(['mqtt', 'passwordEnv'], missingVariable(passwordEnv))] : [];
  if (passwordFile === undefined) return [];
  const path = ['mqtt', 'passwordFile'];
  const file = absolute(passwordFile, baseFolder);
  const { content, isPublic, problem = '' } = readSettingFile(file, PASSWORD_BYTES_MAX);
  if (content === undefined) return [error(path, problem)];
  // What PowerShell's `>` writes is UTF-16.
  if (!isUtf8(content) || content.includes(0)) return [error(path, `${file} is no UTF-8 text; save it as UTF-8`)];
  const isEmpty = passwordIn(content) === '';
  return [
    ...(isPublic === true ? [warning(path, publicFile(file))] : []),
    ...(isEmpty ? [warning(path, `the first line of ${file} is empty, and so is the password; write it there`)] : []),
  ];
};
