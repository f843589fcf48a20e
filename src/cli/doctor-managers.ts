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

/** The text of a file, or `undefined` if it is not there or not ours to read. */
export type ReadText = (path: string) => string | undefined;

/** `KEY=value` lines; of several with one key the last counts. Sections are not told apart: the keys below are unique. */
const valueIn = (text: string | undefined, key: string): string | undefined =>
  text
    ?.split('\n')
    .findLast((line) => line.trim().startsWith(`${key}=`))
    ?.trim()
    .slice(key.length + 1);

const isTrue = (value: string | undefined): boolean => /^(1|y|yes|t|true|on)$/i.test(value ?? '');

/**
 * When networkd starts, or configures the link anew, it removes addresses that are not its own. What counts as static in
 * `KeepConfiguration=static` is an address without a lifetime (link_address_is_dynamic of networkd-address.c), and ours
 * have one: so that only `yes` keeps them.
 */
const networkdFinding = ({ name, index }: Device, read: ReadText): Finding | undefined => {
  const link = read(`/run/systemd/netif/links/${index}`);
  const state = valueIn(link, 'ADMIN_STATE');
  const file = valueIn(link, 'NETWORK_FILE');
  if (link === undefined || state === 'unmanaged' || file === undefined || file === '') return undefined;
  const dropIns = valueIn(link, 'NETWORK_FILE_DROPINS')?.replaceAll('"', '').split(/[ :]/) ?? [];
  const keeps = [file, ...dropIns].map((path) => valueIn(read(path), 'KeepConfiguration')).findLast((value) => value);
  if (isTrue(keeps)) return ok(name, 'systemd-networkd manages it, and keeps addresses of others');
  const dropIn = `/etc/systemd/network/${basename(file)}.d/carp.conf`;
  return warning(
    name,
    'systemd-networkd manages it, and removes shared addresses when it is restarted or reconfigures the link',
    `put the lines "[Network]" and "KeepConfiguration=yes" into ${dropIn}, then: networkctl reload` +
      (keeps === undefined ? '' : ` (it has ${keeps}, which does not protect addresses with a lifetime, as ours are)`),
  );
};

const networkManagerFinding = ({ name, index }: Device, read: ReadText): Finding | undefined => {
  const managed = valueIn(read(`/run/NetworkManager/devices/${index}`), 'managed');
  if (!isTrue(managed)) return undefined;
  return warning(
    name,
    'NetworkManager manages it, and may remove shared addresses when its connection is activated again or reapplied',
    `configure ${name} elsewhere (ifupdown, systemd-networkd), and put the lines "[keyfile]" and "unmanaged-devices=interface-name:${name}" into /etc/NetworkManager/conf.d/carp.conf, then: nmcli general reload; or leave it, and avoid nmcli connection up while this host is MASTER`,
  );
};

/** What the daemons that manage this interface do to shared addresses. */
export const managerFindings = (device: Device, read: ReadText): readonly Finding[] => {
  const found = [networkdFinding(device, read), networkManagerFinding(device, read)].filter((one) => one !== undefined);
  return found.length > 0 ? found : [ok(device.name, 'neither systemd-networkd nor NetworkManager manages it')];
};
