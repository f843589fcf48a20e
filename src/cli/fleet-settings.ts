/** Which broker `carp fleet` listens to, and as whom. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEndpoint } from '../adapters/mqtt/connection/endpoint.ts';
import type { MqttSettings, MqttTlsSettings } from '../adapters/mqtt/settings.ts';
import { describe } from '../config/findings.ts';
import { loadConfig } from '../config/load.ts';
import { nameProblem } from '../config/name-rules.ts';
import { CarpError } from '../ports/error.ts';
import { usageError } from './options.ts';

export const DEFAULT_CONFIG = '/etc/carp/carp.yaml';

/** For `parseOptions`. */
export const BROKER_OPTIONS = {
  config: { type: 'string', short: 'c' },
  base: { type: 'string' },
  username: { type: 'string' },
  'password-file': { type: 'string' },
  'password-env': { type: 'string' },
  ca: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
  'server-name': { type: 'string' },
} as const;

export interface BrokerValues {
  readonly config?: string | undefined;
  readonly base?: string | undefined;
  readonly username?: string | undefined;
  readonly 'password-file'?: string | undefined;
  readonly 'password-env'?: string | undefined;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly 'server-name'?: string | undefined;
}

const OPTION_OF: Readonly<Record<string, string>> = {
  'mqtt.url': 'the URL',
  'mqtt.username': '--username',
  'mqtt.passwordFile': '--password-file',
  'mqtt.passwordEnv': '--password-env',
  'mqtt.tls.caFile': '--ca',
  'mqtt.tls.certFile': '--cert',
  'mqtt.tls.keyFile': '--key',
  'mqtt.tls.serverName': '--server-name',
};

/** A text about a connection, with options of `carp fleet` in the place of settings. */
export const settingsAsOptions = (text: string): string =>
  text
    .replace(/\bmqtt(?:\.[a-zA-Z]+)+/g, (setting) => OPTION_OF[setting] ?? setting)
    .replace('set it where the agent is started', 'export it first');

/**
 * @param url - what the user named; missing: that of the configuration file
 * @throws CarpError CARP_CONFIG
 */
export const brokerSettings = (url: string | undefined, values: BrokerValues): MqttSettings => {
  const file = values.config;
  const stored = file === undefined && url !== undefined ? undefined : storedSettings(file);
  const settings: MqttSettings = { ...DEFAULTS, ...stored, url: checkedUrl(url) ?? stored?.url ?? '' };
  const base = values.base ?? settings.base;
  if (base.split('/').some((level) => nameProblem(level) !== undefined))
    throw usageError('fleet', `--base is a topic without wildcards, such as carp or site/carp, not "${base}"`);
  return { ...withLogin(settings, values), ...withTls(settings, values), base };
};

/** What the schema of the configuration says; the rest does not matter to somebody who only listens. */
const DEFAULTS = {
  version: 'auto',
  base: 'carp',
  keepalive: 30,
  refresh: 10,
  expiry: 30,
  homeAssistant: false,
  homeAssistantPrefix: 'homeassistant',
  commands: false,
  alarms: false,
} as const satisfies Omit<MqttSettings, 'url'>;

const checkedUrl = (url: string | undefined): string | undefined => {
  if (url === undefined || parseEndpoint(url) !== undefined) return url;
  // It is not shown: people write passwords into URLs.
  throw usageError('fleet', 'the URL of a broker begins with mqtt://, mqtts://, ws:// or wss://, and names a host');
};

const storedSettings = (file: string | undefined): MqttSettings => {
  if (file === undefined && !existsSync(DEFAULT_CONFIG))
    throw usageError('fleet', `which broker? name one, such as mqtt://broker, or a file with -c FILE`);
  const chosen = file ?? DEFAULT_CONFIG;
  const parsed = loadConfig(chosen);
  if (!parsed.ok)
    throw new CarpError('CARP_CONFIG', [`${chosen} is not valid`, ...parsed.errors.map(describe)].join('\n  '), {
      remedy: `carp check -c ${chosen}, or name the broker: carp fleet mqtt://broker`,
    });
  if (parsed.config.mqtt !== undefined) return parsed.config.mqtt;
  throw new CarpError('CARP_CONFIG', `${chosen} has no \`mqtt\``, {
    remedy: 'name a broker: carp fleet mqtt://broker',
  });
};

/** Another name comes with another password, or none. */
const withLogin = (settings: MqttSettings, values: BrokerValues): MqttSettings => {
  const { username, 'password-file': file, 'password-env': variable } = values;
  if (file !== undefined && variable !== undefined)
    throw usageError('fleet', 'either --password-file or --password-env, not both');
  if (username === undefined && file === undefined && variable === undefined) return settings;
  const { password: _, passwordFile: _file, passwordEnv: _env, ...rest } = settings;
  return {
    ...rest,
    ...(username === undefined ? {} : { username }),
    ...(file === undefined ? {} : { passwordFile: resolve(file) }),
    ...(variable === undefined ? {} : { passwordEnv: variable }),
  };
};

const withTls = (settings: MqttSettings, values: BrokerValues): { readonly tls?: MqttTlsSettings } => {
  const { ca, cert, key, 'server-name': serverName } = values;
  if ((cert === undefined) !== (key === undefined))
    throw usageError('fleet', '--cert and --key belong together: name both');
  const given: Partial<MqttTlsSettings> = {
    ...(ca === undefined ? {} : { caFile: resolve(ca) }),
    ...(cert === undefined ? {} : { certFile: resolve(cert) }),
    ...(key === undefined ? {} : { keyFile: resolve(key) }),
    ...(serverName === undefined ? {} : { serverName }),
  };
  if (Object.keys(given).length === 0) return settings.tls === undefined ? {} : { tls: settings.tls };
  if (![settings.url].flat().some((url) => parseEndpoint(url)?.isTls === true))
    throw usageError('fleet', '--ca, --cert, --key and --server-name are for mqtts:// and wss://');
  return { tls: { verify: true, ...settings.tls, ...given } };
};
