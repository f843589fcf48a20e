/** Hands out an exact number of bytes at a time, however the chunks were cut. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();
  /** How many bytes have been handed out or passed over. */
  position = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next bytes, valid for as long as one likes; fewer only at the end. Callers bound the length. */
  async take(length: number): Promise<Uint8Array> {
    if (this.#rest.length < length) await this.#gather(length);
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    this.position += taken.length;
    return taken;
  }

  async #gather(length: number): Promise<void> {
    const parts = [this.#rest];
    let gathered = this.#rest.length;
    while (gathered < length) {
      const next = await this.#chunks.next();
      if (next.done === true) break;
      parts.push(next.value);
      gathered += next.value.length;
    }
    this.#rest = Buffer.concat(parts, gathered);
  }

  /** Passes over bytes without keeping them. @returns whether there were that many */
  async skip(length: number): Promise<boolean> {
    let left = length;
    while (left > this.#rest.length) {
      left -= this.#rest.length;
      this.position += this.#rest.length;
      this.#rest = new Uint8Array();
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      this.#rest = next.value;
    }
    this.#rest = this.#rest.subarray(left);
    this.position += left;
    return true;
  }
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
