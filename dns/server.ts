import { setTimeout } from 'node:timers/promises';
import { ClientRates } from './client-rates.ts';
import { DgramTransport } from './dgram-transport.ts';
import { DnsError } from './dns-error.ts';
import type { Exchange, Handler } from './handler.ts';
import { Responder } from './responder.ts';
import { TcpListener } from './tcp-listener.ts';
import type { BoundSockets, Finish } from './transport.ts';
import { UdpListener } from './udp-listener.ts';

/** Where to listen. Port 0 takes a free port, the same for UDP and TCP. */
interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Where to listen, and with what: sockets of its own unless some are given. */
interface ServedAddress extends ListenAddress {
  readonly sockets?: BoundSockets;
}

export interface DnsServerOptions {
  /** IPv4 and IPv6 addresses; UDP and TCP are served on each. */
  readonly addresses: readonly ServedAddress[];
  readonly handler: Handler;
  /** What the server calls itself, for who asks (RFC 5001). */
  readonly serverName?: string;
  /** Called once for each message that came in, after it was answered. `query` and `answer` are only valid during the call. */
  readonly observe?: (exchange: Exchange) => void;
  /** Told of failures that no client hears of: a socket's error, a handler's throw. */
  readonly onError?: (error: unknown) => void;
  /**
   * Open TCP connections per address, shared among clients (dns/fair-share.ts): one more than a client's share replaces
   * its own whose last query is the oldest. Default 512.
   */
  readonly maxConnections?: number;
  /** A TCP connection without a whole query for so long is closed. Default 10 000. */
  readonly idleTimeoutMs?: number;
  /** Queries a second of one client over UDP; default: as many as there is time for (dns/client-rates.ts). */
  readonly clientRate?: number;
  /** Told of what was refused for the others' sake, once for each. */
  readonly onRefused?: (reason: Refusal) => void;
}

/**
 * What a client was refused: `rate`, a query over UDP beyond its rate; `port`, one from a port where no client is;
 * `connections`, more TCP connections than its share; `length`, a connection that announced
 * a longer question than there are.
 */
export type Refusal = 'rate' | 'port' | 'connections' | 'length';

export interface DnsServer {
  /** What is listened on, in the order asked for, with the real port numbers. */
  readonly addresses: readonly ListenAddress[];
  /**
   * Takes no more questions, and answers those that were taken: as long as `withinMs` allows, once for connections,
   * while datagrams are still answered, and once for these. To be closed afterwards.
   */
  finish(how: Finish, withinMs: number): Promise<void>;
  /** Stops listening and closes all connections. */
  close(): Promise<void>;
}

/** Port 0: a port that is free for TCP may be taken for UDP. */
const PORT_ATTEMPTS = 10;

/**
 * Serves DNS over UDP and TCP (RFC 1035, RFC 7766).
 * @throws {DnsError} CannotListen, naming address and protocol; nothing stays open then.
 */
export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  await using opened = new AsyncDisposableStack();
  const addresses: ListenAddress[] = [];
  const listening: Listening[] = [];
  for (const address of options.addresses) {
    const one = await listen(address, options);
    opened.defer(one.close);
    listening.push(one);
    addresses.push({ host: address.host, port: one.port });
  }
  const listeners = opened.move();
  const each = async (action: (one: Listening) => Promise<void>, ms: number): Promise<void> => {
    await Promise.race([Promise.all(listening.map(action)), setTimeout(ms, undefined, { ref: false })]);
  };
  return {
    addresses,
    async finish(how, withinMs) {
      await each(({ tcp }) => tcp.finish(), withinMs);
      await each(({ udp }) => udp.finish(how), withinMs);
    },
    close: () => listeners.disposeAsync(),
  };
}

interface Listening {
  readonly port: number;
  readonly tcp: TcpListener;
  readonly udp: UdpListener;
  readonly close: () => Promise<void>;
}

async function listen(address: ServedAddress, options: DnsServerOptions): Promise<Listening> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await listenOnce(address, options);
    } catch (error) {
      if (address.port !== 0 || attempt === PORT_ATTEMPTS || !isInUse(error)) throw error;
    }
  }
}

async function listenOnce(
  { host, port, sockets }: ServedAddress,
  options: DnsServerOptions,
): Promise<Listening> {
  await using opened = new AsyncDisposableStack();
  const responder = new Responder(options);
  const { onError = () => undefined, onRefused = () => undefined } = options;
  const tcp = new TcpListener(responder, {
    maxConnections: options.maxConnections ?? 512,
    idleTimeoutMs: options.idleTimeoutMs ?? 10_000,
    onError,
    onRefused,
  });
  opened.defer(() => tcp.close());
  const bound = await tcp.listen(sockets ? { fd: sockets.tcp } : { host, port }).catch((cause: unknown) => {
    throw cannotListen('TCP', host, port, cause);
  });
  const transport =
    sockets?.udp ??
    (await DgramTransport.bind(host, bound).catch((cause: unknown) => {
      throw cannotListen('UDP', host, bound, cause);
    }));
  const udp = new UdpListener(responder, transport, {
    rates: new ClientRates(options.clientRate === undefined ? {} : { maxPerSecond: options.clientRate }),
    onError,
    onRefused,
  });
  opened.defer(() => udp.close());
  const listeners = opened.move();
  return { port: bound, tcp, udp, close: () => listeners.disposeAsync() };
}

/** Why an address cannot be listened on, and what to do about it. */
export function cannotListen(protocol: 'UDP' | 'TCP', host: string, port: number, cause: unknown): DnsError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const reasons: Record<string, string> = {
    EADDRINUSE: `the port is in use: end that program, or let it listen elsewhere (ss -lnp sport = :${port})`,
    EADDRNOTAVAIL: 'this machine does not have that address yet',
  };
  const reason = reasons[code ?? ''] ?? message;
  return new DnsError('CannotListen', `no DNS on ${host} port ${port} (${protocol}): ${reason}`, { cause });
}

function isInUse(error: unknown): boolean {
  return (
    error instanceof DnsError &&
    error.cause instanceof Error &&
    (error.cause as NodeJS.ErrnoException).code === 'EADDRINUSE'
  );
}
