import { addressOf, type IpAddress, isLinkLocal, isMulticast } from '../../protocol/address.ts';
import { Linux } from './linux-constants.ts';

const structure = (length: number, family: number): DataView => {
  const view = new DataView(new ArrayBuffer(length));
  view.setUint16(0, family, true);
  return view;
};
const bytesOf = (view: DataView): Uint8Array => new Uint8Array(view.buffer);

/**
 * sockaddr_in or sockaddr_in6 without a port.
 *
 * @param ifIndex - zone of a link-local or multicast IPv6 address; others have none
 */
export const socketAddress = (address: IpAddress, ifIndex: number): Uint8Array => {
  if (address.family === 4) {
    const bytes = bytesOf(structure(16, Linux.AF_INET));
    bytes.set(address.bytes, 4);
    return bytes;
  }
  const view = structure(28, Linux.AF_INET6);
  bytesOf(view).set(address.bytes, 8);
  if (isLinkLocal(address) || isMulticast(address)) view.setUint32(24, ifIndex, true);
  return bytesOf(view);
};

/** The address in a sockaddr_in6. */
export const addressOfSocketAddress6 = (name: Uint8Array): IpAddress => addressOf(name.subarray(8, 24));

/** sockaddr_ll: where a frame leaves. */
export const linkAddress = (ifIndex: number, etherType: number, mac: Uint8Array): Uint8Array => {
  const view = structure(20, Linux.AF_PACKET);
  view.setUint16(2, etherType, false);
  view.setInt32(4, ifIndex, true);
  view.setUint8(11, mac.length);
  bytesOf(view).set(mac, 12);
  return bytesOf(view);
};

/** sockaddr_nl: which multicast groups (a mask) to listen to. */
export const netlinkAddress = (groups: number): Uint8Array => {
  const view = structure(12, Linux.AF_NETLINK);
  view.setUint32(8, groups, true);
  return bytesOf(view);
};
