import { readFileSync, writeFileSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';

/** One line under /proc/sys/net/<family>/conf/<interface>. */
export interface Setting {
  readonly family: 'ipv4' | 'ipv6';
  /** An interface, `all` or `default`. */
  readonly interface: string;
  readonly key: string;
}

const pathOf = ({ family, interface: name, key }: Setting): string => `/proc/sys/net/${family}/conf/${name}/${key}`;

/** `undefined`: this kernel does not have it, or there is no such interface. */
export const readSetting = (setting: Setting): number | undefined => {
  try {
    const value = Number.parseInt(readFileSync(pathOf(setting), 'latin1'), 10);
    return Number.isNaN(value) ? undefined : value;
  } catch {
    return undefined;
  }
};

/**
 * Writes only what is not so already, so that a read-only /proc/sys that has been prepared is good enough.
 *
 * @returns why it could not be written, such as EROFS; `undefined` if it is so now, or this kernel does not have it
 */
export const writeSetting = (setting: Setting, value: number): string | undefined => {
  const present = readSetting(setting);
  if (present === value || present === undefined) return undefined;
  try {
    writeFileSync(pathOf(setting), String(value));
    return undefined;
  } catch (error) {
    return error instanceof Error && 'errno' in error ? getSystemErrorName(Number(error.errno)) : String(error);
  }
};

/** The command that does by hand what `writeSetting` does. In the syntax of sysctl(8) the dots of eth0.5 are slashes. */
export const settingCommand = ({ family, interface: name, key }: Setting, value: number): string =>
  `sysctl -w net.${family}.conf.${name.replaceAll('.', '/')}.${key}=${value}`;
