import { Writable } from 'node:stream';
import * as sockets from './socket.ts';
import { close } from './libc.ts';
import { whenWritable } from './poll.ts';
import { isErrno } from './kernel-error.ts';
import { encodeUnixAddress } from './sockaddr.ts';

type Done = (error?: Error | null) => void;

/**
 * What is written goes out in packets on a unix(7) SOCK_SEQPACKET socket, which Node cannot open. What the peer sends
 * is refused to it. Ending shuts our direction down, destroying closes the socket.
 */
export class PacketSink extends Writable {
  readonly #fd: number;
  readonly #packetBytes: number;
  #sending: Promise<void> = Promise.resolve();

  /** Connects to the socket at `path`. @throws KernelError ECONNREFUSED or ENOENT when nobody listens there */
  static connect(path: string, packetBytes: number): PacketSink {
    const fd = sockets.open(sockets.AF_UNIX, sockets.SOCK_SEQPACKET | sockets.SOCK_NONBLOCK);
    using undo = new DisposableStack();
    undo.defer(() => close(fd));
    sockets.connect(fd, encodeUnixAddress(path), path);
    sockets.shutdown(fd, sockets.SHUT_RD);
    undo.move();
    return new PacketSink(fd, packetBytes);
  }

  private constructor(fd: number, packetBytes: number) {
    super({ decodeStrings: true });
    this.#fd = fd;
    this.#packetBytes = packetBytes;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#sending = this.#sendAll(chunk);
    this.#sending.then(() => done(), done);
  }

  override _final(done: Done): void {
    sockets.shutdown(this.#fd, sockets.SHUT_WR);
    done();
  }

  override _destroy(error: Error | null, done: Done): void {
    // A send that waits is woken by the socket's end; the fd is not closed under it.
    sockets.shutdown(this.#fd, sockets.SHUT_WR);
    const end = (): void => {
      close(this.#fd);
      done(error);
    };
    this.#sending.then(end, end);
  }

  async #sendAll(chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; at += this.#packetBytes) {
      const packet = chunk.subarray(at, at + this.#packetBytes);
      while (!this.destroyed && !this.#send(packet)) await whenWritable(this.#fd);
    }
  }

  /** Whether the kernel took it. */
  #send(packet: Buffer): boolean {
    try {
      sockets.send(this.#fd, packet);
      return true;
    } catch (error) {
      if (isErrno(error, 'EAGAIN')) return false;
      throw error;
    }
  }
}
