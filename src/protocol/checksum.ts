/**
 * The Internet checksum of RFC 1071: the complement of the one's complement sum of 16-bit words.
 * Over data that carries its own correct checksum it is 0.
 *
 * @param initial - a partial sum to start from, such as that of a pseudo-header
 */
export const internetChecksum = (data: Uint8Array, initial = 0): number => {
  let sum = initial;
  for (let i = 0; i < data.length; i += 2) sum += ((data[i] ?? 0) << 8) | (data[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
};
