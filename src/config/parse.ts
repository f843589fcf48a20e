import { hostname } from 'node:os';
import type { MqttTlsSettings } from '../adapters/mqtt/settings.ts';
import { CarpError } from '../ports/error.ts';
import { absoluteProgram } from './command-rules.ts';
import { type ConfigError, type ConfigWarning, describe, type Finding, formatPath, type Path } from './findings.ts';
import { PASSWORD_KEYS } from './password.ts';
import { rules } from './rules.ts';
import { absolute, type Surroundings } from './secret-rules.ts';
import type { GroupConfig, HooksConfig, HostConfig, MqttConfig } from './types.ts';
import { unsupported } from './unsupported.ts';
import { validate } from './validate.ts';

export type ParsedConfig =
  | { readonly ok: true; readonly config: HostConfig; readonly warnings: readonly ConfigWarning[] }
  | { readonly ok: false; readonly errors: readonly ConfigError[]; readonly warnings: readonly ConfigWarning[] };

export interface ParseOptions extends Partial<Surroundings> {
  /** Where a setting is in the file it came from. */
  readonly lineOf?: (path: Path) => number | undefined;
}

/** More mistakes of one kind are counted, not shown: such a file is something else. */
const SHOWN_MAX = 100;

/** The host name, made fit to be a level of an MQTT topic. */
const defaultNode = (): string =>
  hostname()
    .replace(/[/+#\p{Cc}\p{Cs}]/gu, '-')
    .slice(0, 64) || 'carp';

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A copy to fill in and to take apart. What came is data, from a file or from JSON-RPC, or it is nothing of ours. */
const copyOf = (value: unknown): unknown => {
  try {
    const copy: unknown = structuredClone(value);
    return isObject(copy) && !Object.hasOwn(copy, 'node') ? { ...copy, node: defaultNode() } : copy;
  } catch {
    return undefined;
  }
};

const withAbsoluteNames = ({ passfile, hooks, track, ...group }: GroupConfig, baseFolder: string): GroupConfig => ({
  ...group,
  ...(passfile === undefined ? {} : { passfile: absolute(passfile, baseFolder) }),
  ...(hooks === undefined ? {} : { hooks: withAbsolutePrograms(hooks, baseFolder) }),
  track: track.map((check) => ({ ...check, command: absoluteProgram(check.command, baseFolder) })),
});

const withAbsolutePrograms = ({ timeout, ...commands }: HooksConfig, baseFolder: string): HooksConfig => ({
  ...Object.fromEntries(
    Object.entries(commands).map(([hook, command]) => [hook, absoluteProgram(command, baseFolder)]),
  ),
  timeout,
});

const withAbsoluteMqtt = ({ passwordFile, tls, ...mqtt }: MqttConfig, baseFolder: string): MqttConfig => ({
  ...mqtt,
  ...(passwordFile === undefined ? {} : { passwordFile: absolute(passwordFile, baseFolder) }),
  ...(tls === undefined ? {} : { tls: withAbsoluteTls(tls, baseFolder) }),
});

const withAbsoluteTls = (
  { caFile, certFile, keyFile, ...tls }: MqttTlsSettings,
  baseFolder: string,
): MqttTlsSettings => ({
  ...tls,
  ...(caFile === undefined ? {} : { caFile: absolute(caFile, baseFolder) }),
  ...(certFile === undefined ? {} : { certFile: absolute(certFile, baseFolder) }),
  ...(keyFile === undefined ? {} : { keyFile: absolute(keyFile, baseFolder) }),
});

/** The agent may run in another folder than the one that relative names start at. */
const withAbsoluteFiles = ({ mqtt, groups, ...host }: HostConfig, baseFolder: string): HostConfig => ({
  ...host,
  ...(mqtt === undefined ? {} : { mqtt: withAbsoluteMqtt(mqtt, baseFolder) }),
  groups: groups.map((group) => withAbsoluteNames(group, baseFolder)),
});

/** That a password is missing is no news where it is there and wrong. */
const isOutdated = (finding: Finding, faults: readonly Finding[]): boolean =>
  finding.severity === 'warning' &&
  faults.some(({ path }) => {
    const key = path.at(-1);
    return PASSWORD_KEYS.some((known) => known === key) && formatPath(path.slice(0, -1)) === formatPath(finding.path);
  });

/**
 * Checks a configuration and completes it with defaults; tells all mistakes at once. File names come back absolute.
 * Passwords are read, to see whether they can be, and not kept. Never throws.
 *
 * @param value - plain data, as YAML, JSON or JSON-RPC give it; it is not changed
 */
export const parseConfig = (value: unknown, options: ParseOptions = {}): ParsedConfig => {
  const { baseFolder = process.cwd(), environment = process.env, lineOf } = options;
  const { findings: faults, config } = validate(copyOf(value));
  const beyond = [...rules(config, { baseFolder, environment }), ...unsupported(config)];
  const findings = [...faults, ...beyond.filter((finding) => !isOutdated(finding, faults))];
  const told = (severity: Finding['severity']): readonly ConfigError[] => {
    const all = findings.filter((finding) => finding.severity === severity);
    const shown = all.slice(0, SHOWN_MAX).map(({ path, message }): ConfigError => {
      const line = lineOf?.(path);
      return { path: formatPath(path), message, ...(line === undefined ? {} : { line }) };
    });
    const hidden = all.length - shown.length;
    const rest = hidden === 0 ? [] : [{ path: '', message: `${hidden} more are not shown; correct these first` }];
    return [...shown.sort((a, b) => (a.line ?? 0) - (b.line ?? 0)), ...rest];
  };
  const errors = told('error');
  const warnings = told('warning');
  // Without findings nothing was taken away: it is whole.
  if (errors.length > 0) return { ok: false, errors, warnings };
  return { ok: true, config: withAbsoluteFiles(config as HostConfig, baseFolder), warnings };
};

/** All errors as one failure, for those who need a configuration and cannot go on without. */
export const configFailure = (errors: readonly ConfigError[], name = 'the configuration'): CarpError =>
  new CarpError('CARP_CONFIG', `${name} is not valid: ${errors.map(describe).join('; ')}`);
