import { createServer, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectInNamespace, listenInNamespace } from '../../../netns/namespace.ts';

const port = 7;
/** A third of the shortest retransmission timeout of TCP on Linux. */
const beatMs = 70;

/**
 * One TCP connection from one namespace to an echo server in another, on which something is sent all the time: it
 * notices every gap, and that it goes on afterwards means that no connection was lost.
 */
export class Traffic implements Disposable {
  readonly #undo: DisposableStack;
  readonly #client: Socket;
  /** What is sent at once. */
  readonly #block: Buffer;
  #sent = 0;
  #echoed = 0;
  #lastEcho = performance.now();
  #longestGapMs = 0;
  #error: Error | undefined;

  private constructor(client: Socket, blockBytes: number, undo: DisposableStack) {
    this.#client = client;
    this.#block = Buffer.alloc(blockBytes);
    this.#undo = undo;
    client.on('error', (error) => {
      this.#error = error;
    });
    client.on('data', (bytes) => this.#note(bytes.length));
    const timer = setInterval(() => this.#send(), beatMs);
    undo.defer(() => clearInterval(timer));
  }

  /** @param blockBytes so much is sent at once: more than a packet takes fills packets */
  static async between(from: string, to: string, host: string, blockBytes = 1): Promise<Traffic> {
    using undo = new DisposableStack();
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.pipe(socket);
      undone.defer(() => socket.destroy());
    });
    server.listen({ fd: listenInNamespace(to, { host, port }) });
    undo.defer(() => server.close());
    const client = new Socket({ fd: connectInNamespace(from, { host, port }) });
    undo.defer(() => client.destroy());
    const undone = undo.move();
    const traffic = new Traffic(client, blockBytes, undone);
    await traffic.goesOn();
    return traffic;
  }

  /** Waits until something that is sent from now on has come back, over the very same connection. */
  async goesOn(): Promise<void> {
    const goal = this.#sent + this.#block.length;
    for (let i = 0; i < 200; i += 1) {
      if (this.#error) throw this.#error;
      if (this.#echoed >= goal) return;
      await sleep(50);
    }
    throw new Error(`nothing came back for ${Math.round(performance.now() - this.#lastEcho)} ms`);
  }

  /** The longest time without an echo since this was last asked, in ms. */
  takeLongestGapMs(): number {
    const gap = Math.max(this.#longestGapMs, performance.now() - this.#lastEcho);
    this.#longestGapMs = 0;
    return Math.round(gap);
  }

  [Symbol.dispose](): void {
    this.#undo.dispose();
  }

  #send(): void {
    this.#sent += this.#block.length;
    this.#client.write(this.#block);
  }

  #note(count: number): void {
    const now = performance.now();
    this.#longestGapMs = Math.max(this.#longestGapMs, now - this.#lastEcho);
    this.#lastEcho = now;
    this.#echoed += count;
  }
}
