/** So many pieces are kept as they came; a client that sends single bytes must not cost an object for each. */
const maxChunks = 32;

/** Cuts a stream into messages with a length of two bytes before each (RFC 1035 section 4.2.2). */
export class FrameReader {
  #chunks: Buffer[] = [];
  #bytes = 0;

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#chunks.length > maxChunks) this.#chunks = [Buffer.concat(this.#chunks)];
  }

  /** The length that the next message announces, whole or not; 0 before it is known. */
  get announced(): number {
    return this.#bytes < 2 ? 0 : this.#peekLength();
  }

  /** The next whole message; undefined until it is complete. */
  next(): Buffer | undefined {
    if (this.#bytes < 2) return undefined;
    const length = this.#peekLength();
    if (this.#bytes < 2 + length) return undefined;
    // Only here, where a message is complete: joining at each arrival would copy a dribbled one again and again.
    const [joined = Buffer.alloc(0)] =
      this.#chunks.length === 1 ? this.#chunks : [Buffer.concat(this.#chunks)];
    const rest = joined.subarray(2 + length);
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#bytes = rest.length;
    return joined.subarray(2, 2 + length);
  }

  #peekLength(): number {
    const [first, second] = this.#chunks;
    const high = first?.[0] ?? 0;
    const low = first?.[1] ?? second?.[0] ?? 0;
    return (high << 8) | low;
  }
}
