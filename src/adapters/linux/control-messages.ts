/**
 * Ancillary data of one kind, as sendmsg and recvmsg have it. struct cmsghdr is 16 bytes on 64-bit Linux: length with
 * header (64 bits), level, type; each starts at a multiple of 8.
 */
export interface Control {
  readonly level: number;
  readonly type: number;
  readonly data: Uint8Array;
}

const align8 = (length: number): number => (length + 7) & ~7;
/** Not from Node's pool, and never moved: the kernel is given its address. */
export const memory = (length: number): Uint8Array => new Uint8Array(new ArrayBuffer(length));

/** @param length - how much of it the kernel filled */
export const readControl = (view: DataView, length: number): readonly Control[] => {
  const found: Control[] = [];
  for (let at = 0; at + 16 <= length; ) {
    const size = Number(view.getBigUint64(at, true));
    if (size < 16 || at + size > length) break;
    found.push({
      level: view.getInt32(at + 8, true),
      type: view.getInt32(at + 12, true),
      data: new Uint8Array(view.buffer, at + 16, size - 16),
    });
    at += align8(size);
  }
  return found;
};

export const writeControl = (controls: readonly Control[]): Uint8Array => {
  const bytes = memory(controls.reduce((sum, { data }) => sum + 16 + align8(data.length), 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const { level, type, data } of controls) {
    view.setBigUint64(at, BigInt(16 + data.length), true);
    view.setInt32(at + 8, level, true);
    view.setInt32(at + 12, type, true);
    bytes.set(data, at + 16);
    at += 16 + align8(data.length);
  }
  return bytes;
};
