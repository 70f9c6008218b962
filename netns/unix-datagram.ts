import * as sockets from './socket.ts';
import { addressOf } from './syscall.ts';
import { close } from './libc.ts';
import { encodeUnixAddress } from './sockaddr.ts';

/** struct msghdr (linux/socket.h) on 64 bits: its size and its fields' offsets. */
const header = {
  bytes: 56,
  name: 0,
  nameLength: 8,
  vector: 16,
  vectorCount: 24,
  control: 32,
  controlLength: 40,
} as const;
/** struct iovec (linux/uio.h): where, and how many bytes. */
const vectorBytes = 16;
/** struct cmsghdr (linux/socket.h): size_t length, int level, int type; the data follow, padded to 8 bytes. */
const control = { bytes: 16, level: 8, type: 12, alignment: 8 } as const;
/** linux/socket.h: the data are file descriptors. */
const SCM_RIGHTS = 1;
/** net/scm.h: so many file descriptors travel with one message at most (SCM_MAX_FD). */
const maxFds = 253;
const fdBytes = 4;
const maxTextBytes = 8192;

/** A message between two programs of one machine, and the open files that came with it. */
export interface UnixDatagram {
  readonly text: string;
  /** Close-on-exec; they belong to whoever received the message. */
  readonly fds: readonly number[];
}

/**
 * Sends `text` to whoever is bound to `path` (a leading `@`: the abstract namespace), and with it copies of `fds`
 * (unix(7), SCM_RIGHTS): the kernel keeps their files open until the other side takes or drops them.
 * @throws KernelError ECONNREFUSED or ENOENT when nobody is bound there
 */
export function sendUnixDatagram(path: string, text: string, fds: readonly number[] = []): void {
  const message = new Message(encodeUnixAddress(path), encodeRights(fds), Buffer.from(text));
  const fd = sockets.open(sockets.AF_UNIX, sockets.SOCK_DGRAM);
  try {
    sockets.sendMessage(fd, message.memory);
  } finally {
    close(fd);
  }
}

/**
 * The fd of a socket that receives what is sent to `path`, without waiting. Nothing may be at the path; what is made
 * there stays.
 * @throws KernelError EADDRINUSE
 */
export function openUnixDatagram(path: string): number {
  const fd = sockets.open(sockets.AF_UNIX, sockets.SOCK_DGRAM | sockets.SOCK_NONBLOCK);
  using undo = new DisposableStack();
  undo.defer(() => close(fd));
  sockets.bind(fd, encodeUnixAddress(path), path);
  undo.move();
  return fd;
}

/** The next message that waits on a bound socket, or undefined when none does. */
export function receiveUnixDatagram(fd: number): UnixDatagram | undefined {
  const room = Buffer.alloc(control.bytes + align(maxFds * fdBytes));
  const message = new Message(Buffer.alloc(0), room, Buffer.alloc(maxTextBytes));
  const length = sockets.receiveMessage(fd, message.memory);
  if (length === undefined) return undefined;
  return { text: message.data.toString('utf8', 0, length), fds: decodeRights(message.control) };
}

function align(length: number): number {
  return Math.ceil(length / control.alignment) * control.alignment;
}

function encodeRights(fds: readonly number[]): Buffer {
  if (fds.length === 0) return Buffer.alloc(0);
  const length = control.bytes + fds.length * fdBytes;
  const encoded = Buffer.alloc(align(length));
  encoded.writeBigUInt64LE(BigInt(length), 0);
  encoded.writeInt32LE(sockets.SOL_SOCKET, control.level);
  encoded.writeInt32LE(SCM_RIGHTS, control.type);
  for (const [index, fd] of fds.entries()) encoded.writeInt32LE(fd, control.bytes + index * fdBytes);
  return encoded;
}

/** Only the first control message is looked at: nothing else, such as credentials, is asked for. */
function decodeRights(encoded: Buffer): number[] {
  if (encoded.length < control.bytes || encoded.readInt32LE(control.type) !== SCM_RIGHTS) return [];
  const count = (Number(encoded.readBigUInt64LE(0)) - control.bytes) / fdBytes;
  return Array.from({ length: count }, (_, index) => encoded.readInt32LE(control.bytes + index * fdBytes));
}

/** A message header and all that it points to, in one piece of memory: whoever holds the one holds the others. */
class Message {
  readonly memory: Buffer;
  readonly data: Buffer;
  readonly #control: Buffer;

  constructor(address: Buffer, controlMessage: Buffer, data: Buffer) {
    const parts = [Buffer.alloc(header.bytes), Buffer.alloc(vectorBytes), controlMessage, data, address];
    this.memory = Buffer.concat(parts);
    const start = addressOf(this.memory);
    const vectorAt = header.bytes;
    const controlAt = vectorAt + vectorBytes;
    const dataAt = controlAt + controlMessage.length;
    const addressAt = dataAt + data.length;
    const point = (from: number, to: number): void => {
      this.memory.writeBigUInt64LE(start + BigInt(to), from);
    };
    if (address.length > 0) point(header.name, addressAt);
    this.memory.writeUInt32LE(address.length, header.nameLength);
    point(header.vector, vectorAt);
    this.memory.writeBigUInt64LE(1n, header.vectorCount);
    if (controlMessage.length > 0) point(header.control, controlAt);
    this.memory.writeBigUInt64LE(BigInt(controlMessage.length), header.controlLength);
    point(vectorAt, dataAt);
    this.memory.writeBigUInt64LE(BigInt(data.length), vectorAt + 8);
    this.#control = this.memory.subarray(controlAt, dataAt);
    this.data = this.memory.subarray(dataAt, addressAt);
  }

  /** The control messages, as many bytes as the kernel filled. */
  get control(): Buffer {
    return this.#control.subarray(0, Number(this.memory.readBigUInt64LE(header.controlLength)));
  }
}
