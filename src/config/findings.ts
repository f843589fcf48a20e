/** One thing that is wrong with a configuration. Never contains a password. */
export interface ConfigError {
  /** Where, as in `groups[0].vhid`; empty if it concerns the file as a whole. */
  readonly path: string;
  /** What was expected, and what came. */
  readonly message: string;
  /** In the file, from 1, where that is known. */
  readonly line?: number;
}

/** Something that works, but probably not as it was meant. */
export type ConfigWarning = ConfigError;

/** What a rule has found: errors make a configuration unfit, warnings do not. */
export interface Finding {
  readonly severity: 'error' | 'warning';
  readonly path: Path;
  readonly message: string;
}

/** Keys and indices from the top of the configuration down. */
export type Path = readonly (string | number)[];

/**
 * A key as it is shown. Of one that no setting can have, only the beginning: `{pass:secret}` without a space is a key
 * that contains a password, and others may contain anything that a terminal obeys.
 */
const showKey = (key: string): string => {
  const [word = ''] = /^[\w-]{0,40}/.exec(key) ?? [];
  return word === key ? key : `${word}…`;
};

export const formatPath = (path: Path): string =>
  path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? showKey(step) : `${text}.${showKey(step)}`;
  }, '');

export const error = (path: Path, message: string): Finding => ({ severity: 'error', path, message });
export const warning = (path: Path, message: string): Finding => ({ severity: 'warning', path, message });

/** As one line of text: `groups[0].vhid: must be …`. */
export const describe = ({ path, message, line }: ConfigError): string =>
  [line === undefined ? '' : `line ${line}: `, path === '' ? '' : `${path}: `, message].join('');

/** What came, for a message: short, on one line, without control characters. */
export const show = (value: unknown): string => {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value !== 'string') return value === null ? 'nothing' : String(value);
  const text = JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  return text.replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
};
