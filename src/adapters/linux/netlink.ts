/**
 * The framing of netlink (RFC 3549): messages with attributes, all in host order, which here is little-endian: `libc.ts`
 * admits nothing else. Pure; what the messages say is in `rtnetlink.ts`.
 *
 *     length u32 | type u16 | flags u16 | sequence u32 | port u32 | payload | padding to 4
 *     attribute: length u16 | type u16 | data | padding to 4
 */

export const NETLINK_HEADER = 16;
const ATTRIBUTE_HEADER = 4;
/** NLA_F_NESTED and NLA_F_NET_BYTEORDER: no part of the type. */
const ATTRIBUTE_TYPE = 0x3fff;

export const NetlinkFlag = {
  REQUEST: 0x1,
  ACK: 0x4,
  /** Of an answer: the dump was interrupted by a change and may be inconsistent. */
  DUMP_INTR: 0x10,
  /** Of a question: NLM_F_ROOT | NLM_F_MATCH. */
  DUMP: 0x300,
  /** Of an error: attributes follow (extended acknowledgement). */
  ACK_TLVS: 0x200,
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
} as const;

export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Uint8Array;
}

const align4 = (length: number): number => (length + 3) & ~3;

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** One after the other; each is expected to be padded already. */
export const concatBytes = (parts: readonly Uint8Array[]): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

export const encodeAttribute = (type: number, data: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(align4(ATTRIBUTE_HEADER + data.length));
  const view = viewOf(bytes);
  view.setUint16(0, ATTRIBUTE_HEADER + data.length, true);
  view.setUint16(2, type, true);
  bytes.set(data, ATTRIBUTE_HEADER);
  return bytes;
};

/** By type; of a repeated one the last counts. A broken one ends the list: the kernel is believed, but not blindly. */
export const decodeAttributes = (bytes: Uint8Array): ReadonlyMap<number, Uint8Array> => {
  const found = new Map<number, Uint8Array>();
  const view = viewOf(bytes);
  for (let at = 0; at + ATTRIBUTE_HEADER <= bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER || at + length > bytes.length) break;
    found.set(view.getUint16(at + 2, true) & ATTRIBUTE_TYPE, bytes.subarray(at + ATTRIBUTE_HEADER, at + length));
    at += align4(length);
  }
  return found;
};

export const encodeMessage = ({ type, flags, sequence, payload }: NetlinkMessage): Uint8Array => {
  const bytes = new Uint8Array(align4(NETLINK_HEADER + payload.length));
  const view = viewOf(bytes);
  view.setUint32(0, NETLINK_HEADER + payload.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  bytes.set(payload, NETLINK_HEADER);
  return bytes;
};

/** The messages of one datagram. Their payloads are views of it: copy what is kept. */
export const decodeMessages = (bytes: Uint8Array): readonly NetlinkMessage[] => {
  const found: NetlinkMessage[] = [];
  const view = viewOf(bytes);
  for (let at = 0; at + NETLINK_HEADER <= bytes.length; ) {
    const length = view.getUint32(at, true);
    if (length < NETLINK_HEADER || at + length > bytes.length) break;
    found.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      payload: bytes.subarray(at + NETLINK_HEADER, at + length),
    });
    at += align4(length);
  }
  return found;
};
