import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { AddressServers } from './address-servers.ts';
import { AgentError } from './agent-error.ts';
import type { Health } from './subsystem.ts';

/** Anything that can be asked how it does. */
export interface HealthSource {
  readonly name: string;
  health(): Health;
}

export interface HealthServerOptions {
  readonly addresses: readonly string[];
  readonly port: number;
  readonly metrics: Registry;
  readonly log: Logger;
  /** Asked anew for each request: parts come and go. */
  readonly sources: () => readonly HealthSource[];
}

/** One line per part: `network: ok`, `names: ok (waiting for the API; the last names stand)`, `names: not synced yet`. */
export function renderHealth(sources: readonly HealthSource[]): { ready: boolean; text: string } {
  const rows = sources.map((source) => ({ name: source.name, ...source.health() }));
  const lines = rows.map(({ name, ready, reason }) => {
    const well = reason ? `ok (${reason})` : 'ok';
    return `${name}: ${ready ? well : (reason ?? 'not ready')}\n`;
  });
  return { ready: rows.length > 0 && rows.every(({ ready }) => ready), text: lines.join('') };
}

/** The server of /healthz, /readyz and /metrics. */
export interface HealthServer {
  /** Listens on other addresses from now on. */
  follow(addresses: readonly string[]): void;
  close(): Promise<void>;
}

/**
 * Serves /healthz (the process lives), /readyz (every part does its work; 503 and the reasons otherwise) and
 * /metrics (Prometheus) on each address. Throws AgentError `port-in-use`.
 */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const { addresses, port, log } = options;
  const servers = new AddressServers({
    make: () => createServer(answer(options)),
    port,
    toError: (host, cause) => listenError(host, port, cause),
    onError: (err) => log.warn({ err }, 'health is not served on every address'),
  });
  await servers.start(addresses);
  return { follow: (now) => servers.follow(now), close: () => servers.stop() };
}

function answer({ metrics, sources }: HealthServerOptions): RequestListener {
  return (request, response) => {
    const send = (code: number, type: string, text: string): void => {
      response.writeHead(code, { 'content-type': type }).end(text);
    };
    if (request.url === '/healthz') send(200, 'text/plain', 'ok\n');
    else if (request.url === '/readyz') {
      const { ready, text } = renderHealth(sources());
      send(ready ? 200 : 503, 'text/plain', text);
    } else if (request.url === '/metrics') {
      metrics.metrics().then(
        (text) => send(200, metrics.contentType, text),
        (error: unknown) => send(500, 'text/plain', `${String(error)}\n`),
      );
    } else send(404, 'text/plain', 'try /healthz, /readyz or /metrics\n');
  };
}

function listenError(host: string, port: number, cause: NodeJS.ErrnoException): AgentError {
  if (cause.code === 'EADDRNOTAVAIL') {
    const remedy = "write this machine's own addresses into nodeIPs (ip address)";
    return new AgentError('no-address', `this machine does not have the address ${host}`, remedy, cause);
  }
  const remedy = 'end the program that uses the port, or set another healthPort';
  return new AgentError(
    'port-in-use',
    `cannot listen on ${host} port ${port}: ${cause.message}`,
    remedy,
    cause,
  );
}
