/**
 * Who else changes addresses of an interface: systemd-networkd and NetworkManager. Both leave their knowledge in files
 * below /run, by interface index, so that no command has to be run.
 */
import { basename } from 'node:path';
import { type Finding, ok, warning } from './doctor-finding.ts';

export interface Device {
  readonly name: string;
  readonly index: number;
}

/** The file system, as far as it is looked at. */
export interface Files {
  /** The text of a file, or `undefined` if it is not there or not ours to read. */
  readonly read: (path: string) => string | undefined;
  /** The names in a folder; none if it is not there. */
  readonly list: (folder: string) => readonly string[];
}

/** `KEY=value` lines; of several with one key the last counts. Sections are not told apart: the keys below are unique. */
const valueIn = (text: string | undefined, key: string): string | undefined =>
  text
    ?.split('\n')
    .findLast((line) => line.trim().startsWith(`${key}=`))
    ?.trim()
    .slice(key.length + 1);

const isTrue = (value: string | undefined): boolean => /^(1|y|yes|t|true|on)$/i.test(value ?? '');

/** Where networkd looks for drop-ins: of files with one name, that of the last folder counts. */
const NETWORK_FOLDERS = ['/usr/lib/systemd/network', '/run/systemd/network', '/etc/systemd/network'] as const;

/** The setting after all drop-ins, which networkd reads in the order of their names. */
const keepConfiguration = (file: string, { read, list }: Files): string | undefined => {
  const dropIns = new Map<string, string>();
  for (const folder of NETWORK_FOLDERS.map((each) => `${each}/${basename(file)}.d`))
    for (const name of list(folder)) if (name.endsWith('.conf')) dropIns.set(name, `${folder}/${name}`);
  const paths = [...dropIns].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
  return [file, ...paths].map((path) => valueIn(read(path), 'KeepConfiguration')).findLast((value) => value);
};

/**
 * When networkd starts, or configures the link anew, it removes addresses that are not its own. Ours have a lifetime,
 * and therefore count as dynamic (link_address_is_dynamic of networkd-address.c): `KeepConfiguration=static` does not
 * keep them. `dhcp`, later called `dynamic`, and `yes` do.
 */
const networkdFinding = ({ name, index }: Device, files: Files): Finding | undefined => {
  const link = files.read(`/run/systemd/netif/links/${index}`);
  const file = valueIn(link, 'NETWORK_FILE');
  if (valueIn(link, 'ADMIN_STATE') === 'unmanaged' || file === undefined || file === '') return undefined;
  const keeps = keepConfiguration(file, files);
  if (isTrue(keeps) || keeps === 'dhcp' || keeps === 'dynamic')
    return ok(name, `systemd-networkd manages it, and keeps shared addresses (KeepConfiguration=${keeps})`);
  const dropIn = `/etc/systemd/network/${basename(file)}.d/carp.conf`;
  return warning(
    name,
    'systemd-networkd manages it, and removes shared addresses when it is restarted or configures the link anew',
    `put the lines "[Network]" and "KeepConfiguration=yes" into ${dropIn}, then: networkctl reload` +
      (keeps === 'static' ? ' (KeepConfiguration=static is not enough: shared addresses have a lifetime)' : ''),
  );
};

const networkManagerFinding = ({ name, index }: Device, { read }: Files): Finding | undefined => {
  const managed = valueIn(read(`/run/NetworkManager/devices/${index}`), 'managed');
  if (!isTrue(managed)) return undefined;
  return warning(
    name,
    'NetworkManager manages it, and may remove shared addresses when its connection is activated again or reapplied',
    `configure ${name} elsewhere (ifupdown, systemd-networkd), and put the lines "[keyfile]" and "unmanaged-devices=interface-name:${name}" into /etc/NetworkManager/conf.d/carp.conf, then: nmcli general reload; or leave it, and avoid nmcli connection up while this host is MASTER`,
  );
};

/** What the daemons that manage this interface do to shared addresses. */
export const managerFindings = (device: Device, files: Files): readonly Finding[] => {
  const found = [networkdFinding(device, files), networkManagerFinding(device, files)].filter(
    (one) => one !== undefined,
  );
  return found.length > 0 ? found : [ok(device.name, 'neither systemd-networkd nor NetworkManager manages it')];
};
