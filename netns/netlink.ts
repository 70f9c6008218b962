import * as sockets from './socket.ts';
import type { FilterInstruction } from './bpf.ts';
import { close } from './libc.ts';
import { KernelError } from './kernel-error.ts';
import * as message from './message.ts';
import type { Message, Request } from './message.ts';
import type { NamespaceHandle } from './namespace.ts';
import { runInNamespace } from './namespace.ts';
import { encodeNetlinkAddress } from './sockaddr.ts';
import { WatchedSocket } from './watched-socket.ts';

/** linux/netlink.h */
const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const NLMSGERR_ATTR_MSG = 1;
const NLMSGERR_ATTR_OFFS = 2;
/** A default receive buffer holds 256 refusals; stay well below. */
const requestsPerSend = 100;
const bufferBytes = 1 << 20;
/** The kernel builds dump replies of at most 32 KiB. */
const datagramBytes = 64 * 1024;
/** Buffers of sockets that were closed: sockets come and go with each pod, and large buffers bring garbage collections. */
const spareBuffers: Buffer[] = [];
const mostSpareBuffers = 4;

export interface NetlinkOptions {
  /** Default {@link NETLINK_ROUTE}. */
  readonly protocol?: number;
  /** Where the socket is made and so acts for ever; default: the thread's own namespace. */
  readonly namespace?: NamespaceHandle | string;
}

/**
 * A synchronous netlink socket: the kernel handles a request inside send(2), so its answer is already queued when
 * that returns. Not for notifications (see {@link NetlinkMonitor}).
 */
export class NetlinkSocket implements Disposable {
  readonly #fd: number;
  readonly #buffer = spareBuffers.pop() ?? Buffer.allocUnsafeSlow(datagramBytes);
  #sequence = 0;
  #open = true;

  constructor(options: NetlinkOptions = {}) {
    this.#fd = openSocket(options, 0);
  }

  /**
   * Sends requests in order and waits for their answers. One that fails does not stop those after it.
   * @returns per request its error, or undefined
   */
  attempt(requests: readonly Request[]): (KernelError | undefined)[] {
    const errors: (KernelError | undefined)[] = [];
    for (let start = 0; start < requests.length; start += requestsPerSend) {
      errors.push(...this.#sendBatch(requests.slice(start, start + requestsPerSend)));
    }
    return errors;
  }

  /**
   * Sends requests in order, all of them.
   * @throws KernelError the first that failed
   */
  request(requests: readonly Request[]): void {
    const error = this.attempt(requests).find((result) => result !== undefined);
    if (error) throw error;
  }

  /**
   * Asks for one object and returns the payload of the answer.
   * @param after requests to send before it in one go, fewer than a hundred
   * @throws KernelError the first that failed
   */
  get(request: Request, after: readonly Request[] = []): Buffer {
    let payload: Buffer | undefined;
    const errors = this.#sendBatch([...after, request], (answer) => (payload = Buffer.from(answer)));
    const error = errors.find((result) => result !== undefined);
    if (error) throw error;
    if (!payload) throw new Error(`netlink: no answer to ${request.name}`);
    return payload;
  }

  /** Lists objects: the payload of each. A listing that changed while it was read is read again. */
  dump(request: Request): Buffer[] {
    for (;;) {
      const payloads: Buffer[] = [];
      if (this.visit(request, (payload) => payloads.push(Buffer.from(payload)))) return payloads;
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    close(this.#fd);
    if (spareBuffers.length < mostSpareBuffers) spareBuffers.push(this.#buffer);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Lists objects without keeping them: `visit` gets each payload, valid only during the call.
   * @returns false when the listing changed while it was read: some may be missing or twice
   */
  visit(request: Request, visit: (payload: Buffer) => void): boolean {
    const sequence = this.#send(request, message.NLM_F_DUMP);
    let interrupted = false;
    for (;;) {
      for (const answer of this.#receive()) {
        if (answer.sequence !== sequence) continue;
        if ((answer.flags & message.NLM_F_DUMP_INTR) !== 0) interrupted = true;
        if (answer.type === message.NLMSG_ERROR || answer.type === message.NLMSG_DONE) {
          const error = decodeError(answer, request);
          if (error) throw error;
          return !interrupted;
        }
        visit(answer.payload);
      }
    }
  }

  /**
   * Sends an nfnetlink batch: the kernel does all of it or nothing.
   * Nothing in it needs to ask for an acknowledgement: refusals are queued when send(2) returns, silence is consent.
   * @returns what was refused
   */
  commit(batch: Buffer): Refusal[] {
    // A message larger than the socket's send buffer is EMSGSIZE.
    if (batch.length > bufferBytes) {
      sockets.setsockopt(this.#fd, sockets.SOL_SOCKET, sockets.SO_SNDBUFFORCE, batch.length);
    }
    sockets.send(this.#fd, batch);
    const refusals: Refusal[] = [];
    for (;;) {
      const length = sockets.recv(this.#fd, this.#buffer, sockets.MSG_DONTWAIT);
      if (length === undefined) return refusals;
      for (const answer of message.decodeMessages(this.#buffer.subarray(0, length))) {
        const refusal = decodeRefusal(answer);
        if (refusal) refusals.push(refusal);
      }
    }
  }

  /**
   * Errors are answered unasked, in the requests' order: an answer to the last request ends the batch.
   * @param onObject gets the object that the last request asks for; valid only during the call
   */
  #sendBatch(
    requests: readonly Request[],
    onObject?: (payload: Buffer) => void,
  ): (KernelError | undefined)[] {
    const first = this.#sequence + 1;
    const last = this.#sequence + requests.length;
    const bytes = requests.map(({ type, flags, payload }) => {
      const sequence = ++this.#sequence;
      const acknowledge = sequence === last && !onObject ? message.NLM_F_ACK : 0;
      return message.encodeMessage(type, flags | message.NLM_F_REQUEST | acknowledge, sequence, payload);
    });
    sockets.send(this.#fd, Buffer.concat(bytes));
    const errors = new Array<KernelError | undefined>(requests.length).fill(undefined);
    for (let sequence = 0; sequence !== last;) {
      for (const answer of this.#receive()) {
        ({ sequence } = answer);
        const request = requests[sequence - first];
        if (!request) continue;
        if (answer.type === message.NLMSG_ERROR) errors[sequence - first] = decodeError(answer, request);
        else onObject?.(answer.payload);
      }
    }
    return errors;
  }

  #send(request: Request, flags: number): number {
    const sequence = ++this.#sequence;
    const all = request.flags | flags | message.NLM_F_REQUEST;
    sockets.send(this.#fd, message.encodeMessage(request.type, all, sequence, request.payload));
    return sequence;
  }

  #receive(): Iterable<Message> {
    const length = sockets.recv(this.#fd, this.#buffer, sockets.MSG_DONTWAIT | sockets.MSG_TRUNC);
    if (length === undefined) throw new Error('netlink: the kernel answered nothing');
    if (length > this.#buffer.length) throw new Error(`netlink: an answer of ${length} bytes was cut`);
    return message.decodeMessages(this.#buffer.subarray(0, length));
  }
}

/** One message of a batch that the kernel refused. */
export interface Refusal {
  /** The message's own number. */
  readonly sequence: number;
  readonly errno: number;
  /** Where in the message the attribute stands that is to blame, from its header on, when the kernel says so. */
  readonly offset: number | undefined;
  /** The kernel's own words, when it has any. */
  readonly text: string;
}

export interface MonitorOptions extends NetlinkOptions {
  /** Bit mask of multicast groups: the RTMGRP_… constants. */
  readonly groups: number;
  /** One notification; its payload is only valid during the call. `port` is the netlink port of who made the change. */
  readonly onMessage: (type: number, payload: Buffer, port: number) => void;
  /** Notifications were lost (the receive buffer overran): read everything again. */
  readonly onOverrun: () => void;
}

/** linux/rtnetlink.h */
export const RTMGRP_LINK = 1;
export const RTMGRP_NEIGH = 4;
export const RTMGRP_TC = 8;
export const RTMGRP_IPV4_IFADDR = 0x10;
export const RTMGRP_IPV4_ROUTE = 0x40;
export const RTMGRP_IPV6_IFADDR = 0x100;
export const RTMGRP_IPV6_ROUTE = 0x400;
/** Forwarding, rp_filter and a few settings more of a link or of all changed (RTNLGRP_IPV4_NETCONF, …IPV6_NETCONF). */
export const RTMGRP_IPV4_NETCONF = 1 << 23;
export const RTMGRP_IPV6_NETCONF = 1 << 24;

/** Listens to the kernel's notifications from construction until {@link close}. */
export class NetlinkMonitor implements Disposable {
  readonly #options: MonitorOptions;
  readonly #socket: WatchedSocket;
  readonly #buffer = Buffer.allocUnsafe(datagramBytes);

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#socket = new WatchedSocket(openSocket(options, options.groups), () => this.drain());
  }

  /** Hands over what the kernel has already told, before this returns. */
  drain(): void {
    for (;;) {
      let length: number | undefined;
      try {
        length = sockets.recv(this.#socket.fd, this.#buffer, sockets.MSG_DONTWAIT);
      } catch (error) {
        if (!(error instanceof KernelError) || error.code !== 'ENOBUFS') throw error;
        this.#options.onOverrun();
        continue;
      }
      if (length === undefined) return;
      for (const { type, payload, port } of message.decodeMessages(this.#buffer.subarray(0, length))) {
        this.#options.onMessage(type, payload, port);
      }
    }
  }

  /** From now on only datagrams that begin with a message of this type are queued; undefined: all. */
  listenFor(type: number | undefined): void {
    sockets.setFilter(this.#socket.fd, type === undefined ? [] : passOnly(type));
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Classic BPF (linux/bpf_common.h): loads the first message's type, which BPF takes for big-endian, and compares it. */
function passOnly(type: number): FilterInstruction[] {
  const [loadHalf, jumpEqual, accept] = [0x28, 0x15, 0x06];
  return [
    { code: loadHalf, value: 4 },
    { code: jumpEqual, jumpFalse: 1, value: ((type & 0xff) << 8) | (type >> 8) },
    { code: accept, value: 0xffff_ffff },
    { code: accept, value: 0 },
  ];
}

function openSocket(options: NetlinkOptions, groups: number): number {
  const { namespace, protocol = NETLINK_ROUTE } = options;
  const open = (): number => sockets.open(sockets.AF_NETLINK, sockets.SOCK_RAW, protocol);
  const fd = namespace === undefined ? open() : runInNamespace(namespace, open);
  using undo = new DisposableStack();
  undo.defer(() => close(fd));
  sockets.setsockopt(fd, sockets.SOL_NETLINK, NETLINK_EXT_ACK, 1);
  sockets.setsockopt(fd, sockets.SOL_NETLINK, NETLINK_CAP_ACK, 1);
  if (protocol === NETLINK_ROUTE) sockets.setsockopt(fd, sockets.SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
  sockets.setsockopt(fd, sockets.SOL_SOCKET, sockets.SO_SNDBUFFORCE, bufferBytes);
  sockets.setsockopt(
    fd,
    sockets.SOL_SOCKET,
    sockets.SO_RCVBUFFORCE,
    groups === 0 ? bufferBytes : 8 * bufferBytes,
  );
  sockets.bind(fd, encodeNetlinkAddress(groups));
  undo.move();
  return fd;
}

/** The error in an NLMSG_ERROR or NLMSG_DONE message, with the kernel's own words when it gave any. */
function decodeError(answer: Message, request: Request): KernelError | undefined {
  const refusal = decodeRefusal(answer);
  return refusal && new KernelError(request.name, refusal.errno, request.about, refusal.text);
}

function decodeRefusal(answer: Message): Refusal | undefined {
  const errno = answer.payload.length >= 4 ? -answer.payload.readInt32LE(0) : 0;
  if (errno === 0) return undefined;
  // Behind the errno: in an error the header of the refused message (capped), then the attributes.
  const offset = answer.type === message.NLMSG_ERROR ? 4 + 16 : 4;
  const extended =
    (answer.flags & message.NLM_F_ACK_TLVS) === 0
      ? new Map<number, Buffer>()
      : message.decodeAttributes(answer.payload, offset);
  const text = extended.get(NLMSGERR_ATTR_MSG);
  return {
    sequence: answer.sequence,
    errno,
    offset: extended.get(NLMSGERR_ATTR_OFFS)?.readUInt32LE(0),
    text: text ? message.decodeString(text) : '',
  };
}
