import * as sockets from './socket.ts';
import { addressOf } from './syscall.ts';

/** struct mmsghdr (linux/socket.h) on 64 bits: its size and its fields' offsets in words of 32 bits. */
const header = { words: 16, name: 0, nameLength: 2, vector: 4, vectorCount: 6, length: 14 } as const;
/** struct iovec (linux/uio.h), likewise. */
const vector = { words: 4, base: 0, length: 2 } as const;
const wordBytes = 4;

export interface BatchShape {
  /** How many datagrams fit. */
  readonly slots: number;
  /** The longest datagram; the rest of a longer one is lost. */
  readonly slotBytes: number;
  /** Length of an encoded socket address of the socket's family. */
  readonly addressBytes: number;
}

/**
 * Datagrams received with one syscall, and answered with one: an answer is written over its question and goes back to
 * where that came from. All memory is laid out once and never moves, for the kernel is given its addresses.
 */
export class DatagramBatch {
  readonly #shape: BatchShape;
  readonly #bytes: Buffer;
  readonly #addresses: Buffer;
  readonly #received: Headers;
  readonly #sent: Headers;
  #queued = 0;
  #taken = 0;

  constructor(shape: BatchShape) {
    const { slots, slotBytes, addressBytes } = shape;
    this.#shape = shape;
    this.#bytes = Buffer.alloc(slots * slotBytes);
    this.#addresses = Buffer.alloc(slots * addressBytes);
    this.#received = new Headers(shape, this.#addresses, this.#bytes);
    this.#sent = new Headers(shape, this.#addresses, this.#bytes);
  }

  /** The slot's memory, of full length: its datagram is at the start, and its answer is to be. */
  bytes(slot: number): Buffer {
    const { slotBytes } = this.#shape;
    return this.#bytes.subarray(slot * slotBytes, (slot + 1) * slotBytes);
  }

  /** The memory that says where the slot's datagram came from: an encoded socket address. */
  address(slot: number): Buffer {
    const { addressBytes } = this.#shape;
    return this.#addresses.subarray(slot * addressBytes, (slot + 1) * addressBytes);
  }

  /** The length of the datagram received into a slot. */
  length(slot: number): number {
    return this.#received.length(slot);
  }

  /**
   * Receives what waits, without waiting; how many slots, from the first on, hold a datagram then.
   * @throws KernelError what went wrong on the socket before, e.g. ECONNREFUSED
   */
  receive(fd: number): number {
    return sockets.recvMessages(fd, this.#received.bytes, this.#shape.slots);
  }

  /** Notes that the first `length` bytes of a slot are to go back to where its datagram came from. */
  queue(slot: number, length: number): void {
    this.#sent.point(this.#queued, slot, length);
    this.#queued += 1;
  }

  /**
   * Sends what is queued, without waiting; false where the kernel has no room for all of it: call again when it has,
   * and receive nothing before. A message that cannot be sent is left out; `onError` is told, and the others go.
   */
  send(fd: number, onError: (error: unknown) => void): boolean {
    while (this.#taken < this.#queued) {
      try {
        const taken = sockets.sendMessages(fd, this.#sent.from(this.#taken), this.#queued - this.#taken);
        if (taken === 0) return false;
        this.#taken += taken;
      } catch (error) {
        // The first one's: an error of a later one only ends the call early.
        this.#taken += 1;
        onError(error);
      }
    }
    this.#queued = 0;
    this.#taken = 0;
    return true;
  }
}

/** An array of struct mmsghdr, each with the address and the bytes of one slot. */
class Headers {
  readonly bytes: Buffer;
  readonly #words: Uint32Array;
  readonly #vectors: Buffer;
  readonly #vectorWords: Uint32Array;
  /** For each slot the two words of its address's place, and the two of its vector's. */
  readonly #pointers: Uint32Array;

  constructor({ slots, slotBytes, addressBytes }: BatchShape, addresses: Buffer, bytes: Buffer) {
    this.bytes = Buffer.alloc(slots * header.words * wordBytes);
    this.#words = wordsOf(this.bytes);
    this.#vectors = Buffer.alloc(slots * vector.words * wordBytes);
    this.#vectorWords = wordsOf(this.#vectors);
    this.#pointers = new Uint32Array(slots * 4);
    const [addressesAt, bytesAt, vectorsAt] = [addresses, bytes, this.#vectors].map(addressOf) as [
      bigint,
      bigint,
      bigint,
    ];
    for (let slot = 0; slot < slots; slot += 1) {
      const vectorAt = slot * vector.words;
      setPointer(this.#vectorWords, vectorAt + vector.base, bytesAt + BigInt(slot * slotBytes));
      setPointer(this.#pointers, slot * 4, addressesAt + BigInt(slot * addressBytes));
      setPointer(this.#pointers, slot * 4 + 2, vectorsAt + BigInt(vectorAt * wordBytes));
      this.#words[slot * header.words + header.nameLength] = addressBytes;
      this.#words[slot * header.words + header.vectorCount] = 1;
      this.point(slot, slot, slotBytes);
    }
  }

  /** Makes a header stand for the first `length` bytes of a slot. */
  point(index: number, slot: number, length: number): void {
    const words = this.#words;
    const pointers = this.#pointers;
    const at = index * header.words;
    words[at + header.name] = pointers[slot * 4] ?? 0;
    words[at + header.name + 1] = pointers[slot * 4 + 1] ?? 0;
    words[at + header.vector] = pointers[slot * 4 + 2] ?? 0;
    words[at + header.vector + 1] = pointers[slot * 4 + 3] ?? 0;
    this.#vectorWords[slot * vector.words + vector.length] = length;
  }

  /** The headers from one on. */
  from(index: number): Buffer {
    return index === 0 ? this.bytes : this.bytes.subarray(index * header.words * wordBytes);
  }

  /** How many bytes the kernel received through a header. */
  length(index: number): number {
    return this.#words[index * header.words + header.length] ?? 0;
  }
}

function wordsOf(bytes: Buffer): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / wordBytes);
}

/** Low word first: both architectures are little-endian. */
function setPointer(words: Uint32Array, at: number, pointer: bigint): void {
  words[at] = Number(pointer & 0xffffffffn);
  words[at + 1] = Number(pointer >> 32n);
}
