import { DatagramBatch } from '../../netns/datagram-batch.ts';
import * as sockets from '../../netns/socket.ts';
import { close } from '../../netns/libc.ts';
import { pollReadable } from '../../netns/poll.ts';
import { openServerSocket } from '../../netns/server-socket.ts';
import { encodeInetAddress } from '../../netns/sockaddr.ts';

/** A burst of answers after a restart waits here. */
const receiveBytes = 64 << 20;
const slots = 64;
const ids = 65536;

export interface CheckingClientOptions {
  /** An address of this host's to ask from. */
  readonly from: string;
  /** The server's address. */
  readonly host: string;
  readonly port: number;
  /** Questions, each a name's. */
  readonly questions: readonly Buffer[];
  /** Told of each first answer: which name's, and the whole message. */
  readonly onAnswer: (name: number, answer: Buffer) => void;
}

/** A client on a UDP socket of its own that asks once and waits as long as it takes. */
export class CheckingClient {
  readonly #options: CheckingClientOptions;
  readonly #fd: number;
  readonly #to: Buffer;
  readonly #batch: DatagramBatch;
  readonly #stopPolling: () => void;
  /** By id which name was asked for, -1 for none, and when. */
  readonly #asked = new Int32Array(ids).fill(-1);
  readonly #askedAt = new Float64Array(ids);
  #nextId = 0;
  #outstanding = 0;
  #longestMs = 0;

  constructor(options: CheckingClientOptions) {
    const v6 = options.host.includes(':');
    this.#options = options;
    this.#fd = openServerSocket({
      protocol: 'udp',
      host: options.from,
      port: 0,
      shared: false,
      receiveBytes,
    });
    this.#to = encodeInetAddress(options.host, options.port);
    this.#batch = new DatagramBatch({ slots, slotBytes: 512, addressBytes: v6 ? 28 : 16 });
    const receive = (): void => this.#receive();
    this.#stopPolling = pollReadable(this.#fd, receive, receive);
  }

  /** How many questions have no answer yet. */
  get outstanding(): number {
    return this.#outstanding;
  }

  get longestMs(): number {
    return this.#longestMs;
  }

  ask(name: number): void {
    const id = this.#freeId();
    const question = this.#options.questions[name];
    if (!question) return;
    question.writeUInt16BE(id, 0);
    this.#asked[id] = name;
    this.#askedAt[id] = performance.now();
    this.#outstanding += 1;
    sockets.sendTo(this.#fd, question, this.#to);
  }

  close(): void {
    this.#stopPolling();
    close(this.#fd);
  }

  #freeId(): number {
    for (let tried = 0; tried < ids; tried += 1) {
      this.#nextId = (this.#nextId + 1) % ids;
      if (this.#asked[this.#nextId] === -1) return this.#nextId;
    }
    throw new Error('every id waits for an answer');
  }

  #receive(): void {
    for (;;) {
      const count = this.#batch.receive(this.#fd);
      for (let slot = 0; slot < count; slot += 1) {
        this.#take(this.#batch.bytes(slot).subarray(0, this.#batch.length(slot)));
      }
      if (count < slots) return;
    }
  }

  #take(answer: Buffer): void {
    const id = answer.readUInt16BE(0);
    const name = this.#asked[id] ?? -1;
    if (name < 0) throw new Error('an answer to nothing that was asked');
    this.#asked[id] = -1;
    this.#outstanding -= 1;
    this.#longestMs = Math.max(this.#longestMs, performance.now() - (this.#askedAt[id] ?? 0));
    this.#options.onAnswer(name, answer);
  }
}
