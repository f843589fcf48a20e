import type { MqttSettings } from '../settings.ts';
import { readBounded } from './bounded-file.ts';
import type { Endpoint } from './endpoint.ts';
import type { MqttFailure } from './problem.ts';

/** As whom to connect. */
export interface Login {
  readonly username?: string;
  readonly password?: string;
}

/** A token may be long. */
export const PASSWORD_BYTES_MAX = 65_536;

/** The password in a file: its first line. An editor of Windows ends it with CR, and begins the file with a mark of its own. */
export const passwordIn = (content: Buffer): string => {
  const [firstLine = ''] = content
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/, 1);
  return firstLine;
};

/**
 * Reads the password anew: it may have been changed since the last attempt. What the settings say goes before what the
 * URL says, and the password of a URL belongs to the name in that URL.
 *
 * @throws MqttFailure
 */
export const readLogin = async (
  settings: MqttSettings,
  endpoint: Endpoint,
  environment: NodeJS.ProcessEnv,
): Promise<Login> => {
  const own = await readPassword(settings, environment);
  const username = settings.username ?? endpoint.username;
  const password = own ?? (settings.username === undefined ? endpoint.password : undefined);
  return { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) };
};

const readPassword = async (
  { password, passwordFile, passwordEnv }: MqttSettings,
  environment: NodeJS.ProcessEnv,
): Promise<string | undefined> => {
  if (passwordFile !== undefined)
    return passwordIn(await readBounded(passwordFile, 'mqtt.passwordFile', PASSWORD_BYTES_MAX));
  if (passwordEnv === undefined) return password;
  const value = environment[passwordEnv];
  if (value === undefined) throw missing(passwordEnv);
  return value;
};

const missing = (name: string): MqttFailure => ({
  code: 'NO_VARIABLE',
  text: `the environment variable ${name} (mqtt.passwordEnv) is not set: set it where the agent is started`,
});
