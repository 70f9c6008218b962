import type { DnsError } from './dns-error.ts';
import type { Exchange, Handler } from './handler.ts';

/** Where to listen. Port 0 takes a free port, the same for UDP and TCP. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface DnsServerOptions {
  /** IPv4 and IPv6 addresses; UDP and TCP are served on each. */
  readonly addresses: readonly ListenAddress[];
  readonly handler: Handler;
  /** Called once for each message that came in, after it was answered. `query` is only valid during the call. */
  readonly observe?: (exchange: Exchange) => void;
  /** Told of failures that no client hears of: a socket's error, a handler's throw. */
  readonly onError?: (error: unknown) => void;
  /** Open TCP connections over all addresses; one more replaces the one that is idle longest. Default 256. */
  readonly maxConnections?: number;
  /** A TCP connection without a query for so long is closed. Default 10 000. */
  readonly idleTimeoutMs?: number;
}

export interface DnsServer {
  /** What is listened on, in the order asked for, with the real port numbers. */
  readonly addresses: readonly ListenAddress[];
  close(): Promise<void>;
}

/**
 * Serves DNS over UDP and TCP.
 * @throws {DnsError} CannotListen, naming address and protocol; nothing stays open then.
 */
export function startDnsServer(_options: DnsServerOptions): Promise<DnsServer> {
  const error: DnsError | Error = new Error('under construction');
  return Promise.reject(error);
}
