import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { DatagramBatch } from './datagram-batch.ts';
import { isErrno } from './kernel-error.ts';
import * as sockets from './socket.ts';
import { pollReadable } from './poll.ts';
import { waitingBytes } from './server-socket.ts';

/** A datagram in its place of a batch; only valid during the call that hands it over. */
interface BatchedDatagram {
  readonly message: Buffer;
  /** Where an answer that is given at once has to be written: over the message, with room behind it. */
  readonly out: Buffer;
  /** The sender's address: 4 bytes, or 16. */
  readonly address: Uint8Array;
  readonly port: number;
  /** For an answer that comes later: how to send it then. */
  later(): (answer: Uint8Array) => void;
}

export interface BatchedSocketHandlers {
  /** Told of each datagram; returns how many bytes of `out` to send back now, 0 for none. */
  readonly onDatagram: (datagram: BatchedDatagram) => number;
  /** A datagram that could not be sent, or a failure of the socket. */
  readonly onError: (error: unknown) => void;
  /** Told after each turn whether many more datagrams wait already, some 10 ms of work. */
  readonly onBatch?: (waits: boolean) => void;
}

/** Syscalls are shared by so many at most; more do not make them cheaper. */
const slots = 64;
/** Longer questions than any client sends; answers are shorter. */
const slotBytes = 2048;
/** While so many were answered others have come: it pays to look at once, and not to wait to be told. */
const fewDatagrams = 4;
/** How soon it is tried again to send what the kernel had no room for. */
const roomCheckMs = 1;
/**
 * Many wait: 1,300 short datagrams, as the kernel counts their memory. A few that wait are no sign of anything: each
 * client that waits for its answers before it asks again keeps the socket as full as it likes, and hinders nobody.
 */
const manyBytes = 1 << 20;
/** So many batches in one turn of the event loop, which has timers and other sockets to serve. */
const batchesPerTurn = 8;

/**
 * Answers datagrams on a bound UDP socket, in batches: recvmmsg(2) and sendmmsg(2) instead of two syscalls for each.
 * The socket stays its owner's: closing this only stops serving it.
 */
export class BatchedSocket {
  readonly #fd: number;
  readonly #pollFd: number;
  readonly #batch: DatagramBatch;
  readonly #datagrams: readonly SlotDatagram[];
  #handlers: BatchedSocketHandlers | undefined;
  #stopPolling: () => void = () => undefined;
  #paused = false;
  /** Resolves when the kernel has taken a batch for which it had no room. */
  #room: Promise<void> | undefined;

  /**
   * @param fd a bound UDP socket, IPv4 or IPv6 only
   * @param pollFd what can be read while the socket can: itself, or a PollRelay to it
   */
  constructor(fd: number, pollFd = fd) {
    this.#fd = fd;
    this.#pollFd = pollFd;
    const family = sockets.getsockname(fd).readUInt16LE(0);
    const addressBytes = family === sockets.AF_INET ? 16 : 28;
    const batch = new DatagramBatch({ slots, slotBytes, addressBytes });
    this.#batch = batch;
    this.#datagrams = Array.from({ length: slots }, (_, slot) => {
      const name = batch.address(slot);
      const address = family === sockets.AF_INET ? name.subarray(4, 8) : name.subarray(8, 24);
      return new SlotDatagram(batch.bytes(slot), name, address, () => this.#replyTo(Buffer.from(name)));
    });
  }

  start(handlers: BatchedSocketHandlers): void {
    this.#handlers = handlers;
    this.#poll();
  }

  /** Receives no more, and resolves when all answers that were given are sent. Later ones can still be, until it is closed. */
  async pause(): Promise<void> {
    this.#paused = true;
    this.#stopPolling();
    await this.#room;
  }

  /** Answers all that waits in the socket, then as {@link pause}. For sockets that nothing new reaches. */
  async drain(): Promise<void> {
    await this.pause();
    while (this.#handlers && this.#serve() > 0) {
      await this.#room;
      await setImmediate();
    }
    await this.#room;
  }

  close(): void {
    this.#handlers = undefined;
    this.#stopPolling();
  }

  #poll(): void {
    this.#stopPolling = pollReadable(
      this.#pollFd,
      () => this.#serve(),
      () => {
        // An error that waits on the socket ends the poll; receiving takes it off.
        this.#stopPolling();
        this.#serve();
        if (this.#handlers && !this.#paused && !this.#room) this.#poll();
      },
    );
  }

  /** Answers what waits, for one turn of the event loop. Returns how many datagrams the last batch had. */
  #serve(): number {
    let count = 0;
    for (let round = 0; round < batchesPerTurn && this.#handlers; round += 1) {
      count = this.#receive(this.#handlers);
      for (let slot = 0; slot < count; slot += 1) this.#answer(slot, this.#handlers);
      if (!this.#batch.send(this.#fd, this.#handlers.onError)) {
        this.#stopPolling();
        this.#room = this.#awaitRoom();
        return count;
      }
      if (count < fewDatagrams) break;
    }
    this.#handlers?.onBatch?.(count === slots && waitingBytes(this.#fd) > manyBytes);
    return count;
  }

  /** How many slots hold a datagram now. */
  #receive({ onError }: BatchedSocketHandlers): number {
    try {
      return this.#batch.receive(this.#fd);
    } catch (error) {
      // An earlier answer met a closed port; whose, does not matter.
      if (!isErrno(error, 'ECONNREFUSED')) onError(error);
      return 0;
    }
  }

  #answer(slot: number, { onDatagram }: BatchedSocketHandlers): void {
    const datagram = this.#datagrams[slot];
    if (!datagram) return;
    datagram.setLength(this.#batch.length(slot));
    const length = onDatagram(datagram);
    if (length > 0) this.#batch.queue(slot, length);
  }

  /**
   * The rest of a batch waits in its slots: until it is sent, nothing can be received into them. Rare enough for a
   * timer, which unlike a poll is no danger when the thread ends.
   */
  async #awaitRoom(): Promise<void> {
    do {
      await sleep(roomCheckMs);
      if (!this.#handlers) return;
    } while (!this.#batch.send(this.#fd, this.#handlers.onError));
    this.#room = undefined;
    if (!this.#paused) this.#poll();
  }

  #replyTo(name: Buffer): (answer: Uint8Array) => void {
    return (answer) => {
      const handlers = this.#handlers;
      if (!handlers) return;
      try {
        sockets.sendTo(this.#fd, answer, name);
      } catch (error) {
        // No room, which a client takes for a lost packet.
        if (!isErrno(error, 'EAGAIN', 'ECONNREFUSED')) handlers.onError(error);
      }
    };
  }
}

/** Views of a slot for datagrams up to this length are kept: making one costs as much as answering from it. */
const keptViewBytes = 256;

class SlotDatagram implements BatchedDatagram {
  message: Buffer;
  readonly out: Buffer;
  readonly address: Uint8Array;
  readonly later: BatchedDatagram['later'];
  readonly #name: Buffer;
  readonly #views: (Buffer | undefined)[] = [];

  constructor(out: Buffer, name: Buffer, address: Uint8Array, later: BatchedDatagram['later']) {
    this.message = out;
    this.out = out;
    this.#name = name;
    this.address = address;
    this.later = later;
  }

  /** In both families behind the family, in network byte order (sockaddr_in, sockaddr_in6). */
  get port(): number {
    return ((this.#name[2] ?? 0) << 8) | (this.#name[3] ?? 0);
  }

  setLength(length: number): void {
    this.message =
      length < keptViewBytes
        ? (this.#views[length] ??= this.out.subarray(0, length))
        : this.out.subarray(0, length);
  }
}
