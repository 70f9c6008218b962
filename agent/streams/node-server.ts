import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import { AddressServers } from '../address-servers.ts';
import type { AgentContext, Health, Subsystem } from '../subsystem.ts';
import type { Channels, WantedChannels } from './channels.ts';
import { chooseForward } from './forward-upgrade.ts';
import type { ContainerProcess, ContainerRef, LogOptions, PodStreams } from './pod-streams.ts';
import { holdOutput, runSession } from './session.ts';
import { acceptSpdy, acceptedVersions, offersSpdyStreams } from './spdy-channels.ts';
import { StreamError } from './stream-error.ts';
import { parseStreamRequest } from './stream-request.ts';
import type { StreamRequest } from './stream-request.ts';
import { acceptWebSocket, offersChannels } from './websocket-channels.ts';

/** PEM texts: the node's own certificate and key, and the CA that clients must be signed by. */
export interface NodeServerTls {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Clients of this organization may do everything, as in Kubernetes' own authorizers. */
const clientOrganization = 'system:masters';

/** The node's HTTPS server (port config.port on the node's addresses): exec, attach and logs for the API server. */
export class NodeServer implements Subsystem {
  readonly name = 'streams';
  readonly #ctx: Pick<AgentContext, 'config' | 'log'>;
  readonly #streams: PodStreams;
  #tls: NodeServerTls;
  readonly #log: Logger;
  readonly #sockets = new Set<Duplex>();
  readonly #servers: AddressServers<ReturnType<typeof createServer>>;

  constructor(ctx: Pick<AgentContext, 'config' | 'log'>, streams: PodStreams, tls: NodeServerTls) {
    this.#ctx = ctx;
    this.#streams = streams;
    this.#tls = tls;
    this.#log = ctx.log.child({ subsystem: this.name });
    const { port } = ctx.config;
    this.#servers = new AddressServers({
      make: () => this.#makeServer(),
      port,
      toError: (host, cause) => listenError(host, port, cause),
      onError: (err) => this.#log.warn({ err }, 'exec and logs are not served on every address'),
    });
  }

  /** Throws StreamError when a port is taken. */
  async start(): Promise<void> {
    await this.#servers.start(this.#ctx.config.nodeIPs);
  }

  /** Listens on the node's addresses of now; sessions over one that it has no more end, for no packet of them arrives. */
  noteAddresses(): void {
    const { nodeIPs } = this.#ctx.config;
    this.#servers.follow(nodeIPs);
    for (const socket of this.#sockets) {
      if (socket instanceof TLSSocket && !nodeIPs.includes(socket.localAddress ?? '')) socket.destroy();
    }
  }

  /** Shows another certificate from the next connection on. */
  useTls(tls: NodeServerTls): void {
    this.#tls = tls;
    for (const server of this.#servers.servers) server.setSecureContext(tls);
  }

  /** Ends sessions, too: they run through this process. The pods go on. */
  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.#servers.stop();
  }

  health(): Health {
    if (this.#servers.servers.length > 0) return { ready: true };
    return { ready: false, reason: 'the server for exec and logs does not listen' };
  }

  /** Where it listens; of use when config.port is 0. */
  addresses(): { readonly host: string; readonly port: number }[] {
    return this.#servers.servers.map((server) => {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new StreamError(500, 'not listening');
      return { host: address.address, port: address.port };
    });
  }

  #makeServer(): ReturnType<typeof createServer> {
    const server = createServer({ ...this.#tls, requestCert: true, rejectUnauthorized: true });
    server.on('request', (request, response) => void this.#answer(request, response));
    server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head));
    server.on('tlsClientError', (error) => {
      this.#log.debug({ err: error }, 'client refused');
    });
    return server;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const asked = this.#admit(request);
      if (asked.verb === 'healthz') {
        response.end('ok');
      } else if (asked.verb === 'logs') {
        await this.#sendLogs(asked.container, asked.options, response);
      } else {
        throw new StreamError(400, `${asked.verb} needs an upgrade to WebSocket or SPDY/3.1`);
      }
    } catch (error) {
      this.#log.debug({ err: error, url: request.url }, 'request failed');
      if (response.headersSent) return void response.destroy();
      const { code, body } = statusOf(error);
      response.writeHead(code, { 'Content-Type': 'application/json' }).end(body);
    }
  }

  async #sendLogs(container: ContainerRef, options: LogOptions, response: ServerResponse): Promise<void> {
    const log = await this.#streams.logs(container, options);
    response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' });
    // A follow of a silent container must still show the client that it stands.
    response.flushHeaders();
    await pipeline(log, response);
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    // Errors of the socket are its end; whoever uses it sees 'close'.
    socket.on('error', () => socket.destroy());
    try {
      tlsSocket(socket).setTimeout(0).setNoDelay(true).setKeepAlive(true, 30_000);
      const asked = this.#admit(request);
      if (asked.verb === 'exec' || asked.verb === 'attach') await this.#serve(asked, request, socket, head);
      else if (asked.verb === 'portForward') await this.#forward(asked, request, socket, head);
      else throw new StreamError(400, `no upgrade for ${asked.verb}`);
    } catch (error) {
      this.#log.debug({ err: error, url: request.url }, 'stream failed');
      refuse(socket, error);
    }
  }

  async #serve(
    asked: Extract<StreamRequest, { verb: 'exec' | 'attach' }>,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): Promise<void> {
    const accept = chooseProtocol(request, asked.wanted);
    // The process comes first: that it cannot be had is then told as a plain HTTP answer.
    const process = holdOutput(await this.#open(asked));
    let channels: Channels;
    try {
      channels = await accept(request, socket, head, asked.wanted);
    } catch (error) {
      process.close();
      this.#log.debug({ err: error }, 'handshake failed');
      socket.destroy();
      return;
    }
    const exitCode = await runSession(process, channels);
    this.#log.debug({ ...asked.container, verb: asked.verb, exitCode }, 'session ended');
  }

  async #forward(
    { pod, ports }: Extract<StreamRequest, { verb: 'portForward' }>,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): Promise<void> {
    const serve = chooseForward(request, pod, ports);
    const dial = await this.#streams.ports(pod);
    try {
      await serve(socket, head, dial);
    } catch (error) {
      // The answer is out: what the peer did wrong ends the connection.
      this.#log.debug({ err: error, ...pod }, 'port-forward failed');
      socket.destroy();
    }
  }

  #open(asked: Extract<StreamRequest, { verb: 'exec' | 'attach' }>): Promise<ContainerProcess> {
    const { container, wanted } = asked;
    const request = { ...container, tty: wanted.tty, stdin: wanted.stdin };
    if (asked.verb === 'attach') return this.#streams.attach(request);
    return this.#streams.exec({ ...request, command: asked.command });
  }

  /** Lets only the API server in. Throws StreamError 403 for another client of the cluster, 404 and 400 by the path. */
  #admit(request: IncomingMessage): StreamRequest {
    const { subject } = tlsSocket(request.socket).getPeerCertificate();
    const organizations = [subject.O ?? []].flat();
    if (!organizations.includes(clientOrganization)) {
      throw new StreamError(403, `only clients of ${clientOrganization} may reach into pods`);
    }
    return parseStreamRequest(request.url ?? '/');
  }
}

type Accept = (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  wanted: WantedChannels,
) => Promise<Channels>;

function chooseProtocol(request: IncomingMessage, _wanted: WantedChannels): Accept {
  const upgrade = (request.headers.upgrade ?? '').toLowerCase();
  if (upgrade === 'websocket') {
    if (!offersChannels(request))
      throw new StreamError(400, 'the WebSocket protocol must be v5 or v4.channel.k8s.io');
    return acceptWebSocket;
  }
  if (upgrade !== 'spdy/3.1') throw new StreamError(400, `cannot upgrade to ${upgrade}`);
  if (!offersSpdyStreams(request))
    throw new StreamError(403, 'X-Stream-Protocol-Version must be v4.channel.k8s.io');
  return (_request, socket, head, wanted) => acceptSpdy(socket, head, wanted);
}

/** An error as HTTP: kubectl shows the message of a Status it finds in the body. */
function statusOf(error: unknown): { readonly code: number; readonly body: string } {
  const code = error instanceof StreamError ? error.code : 500;
  const reasons: Readonly<Record<number, string>> = { 400: 'BadRequest', 403: 'Forbidden', 404: 'NotFound' };
  const body = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: (error as Error).message,
    reason: reasons[code] ?? 'InternalError',
    code,
  };
  return { code, body: JSON.stringify(body) };
}

function refuse(socket: Duplex, error: unknown): void {
  const { code, body } = statusOf(error);
  const headers = {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    ...acceptedVersions,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${code} Refused\r\nConnection: close\r\n${lines.join('')}\r\n${body}`);
}

function tlsSocket(socket: Duplex): TLSSocket {
  if (socket instanceof TLSSocket) return socket;
  throw new StreamError(400, 'not a TLS connection');
}

function listenError(host: string, port: number, cause: NodeJS.ErrnoException): StreamError {
  const why =
    cause.code === 'EADDRINUSE' ? 'is in use: end that program or set another `port`' : cause.message;
  return new StreamError(500, `${host} port ${port} ${why}`, { cause });
}
