/**
 * A process that sends frames as a VRRP router would: `watch-forger INTERFACE ID SOURCE [VLAN]`, version 3, one advert
 * every 500 ms, until it is killed. With a VLAN the frames carry its tag.
 */
import { libc } from '../../src/adapters/linux/libc.ts';
import { Linux } from '../../src/adapters/linux/linux-constants.ts';
import { linkAddress } from '../../src/adapters/linux/sockaddr.ts';
import { frameOf, HOST, vrrp } from '../engine/segment-frames.ts';

const [name = '', id = '', source = '', vlan] = process.argv.slice(2);
const PERIOD_MS = 500;

const c = libc();
const fd = c.socket(Linux.AF_PACKET, Linux.SOCK_RAW, 0);
const to = linkAddress(c.ifIndex(name), Linux.ETH_P_IP, Uint8Array.of(1, 0, 0x5e, 0, 0, 0x12));
const host = {
  ...HOST,
  vhid: Number(id),
  source,
  mac: `00005e0001${Number(id).toString(16).padStart(2, '0')}`,
  vlans: vlan === undefined ? [] : [Number(vlan)],
};
const send = (): void => c.sendto(fd, new Uint8Array(vrrp(host, 0).data), to);
// One that is no advert of either protocol, so that refusals are seen on the wire too.
c.sendto(fd, new Uint8Array(frameOf(host, 0, Uint8Array.of(0x51, Number(id), 0, 0)).data), to);
send();
setInterval(send, PERIOD_MS);
process.stdout.write('sending\n');
