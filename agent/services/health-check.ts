import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { Logger } from 'pino';

import { familyOf } from '../../iptables/address.ts';
import type { HealthCheck } from '../../iptables/model.ts';
import { renderHealthCheckAnswer } from './health-check-answer.ts';

/** How often a port that is taken is tried again, and changed addresses of the node are noticed. */
const defaultRetryMs = 5_000;
/** Load balancers ask one at a time; nobody shall use up the agent's files by connecting. */
const maxConnections = 64;
/** Who connects and asks nothing makes room for others. */
const defaultPatienceMs = 5_000;

export interface HealthChecksOptions {
  /** The addresses to listen on now. */
  readonly hosts: () => readonly string[];
  /** Whether the node's rules are what they should be: a node whose are not takes no clients. */
  readonly isProxyHealthy: () => boolean;
  /** Told once when a Service's check cannot listen, and again after it could in between. */
  readonly onFailure: (service: string, message: string) => void;
  readonly log: Logger;
  readonly retryMs?: number;
  /** How long a client may take to ask. */
  readonly patienceMs?: number;
}

interface ServedCheck {
  check: HealthCheck;
  /** By address. */
  readonly servers: Map<string, Server>;
  /** Addresses where it could not. */
  readonly failing: Set<string>;
}

/**
 * Answers load balancers on `healthCheckNodePort`, Service by Service (`namespace/name`). It listens on each address by
 * itself: a wildcard would answer on the pod bridge, too, and would take the port from everybody.
 */
export class HealthChecks {
  readonly #options: HealthChecksOptions;
  readonly #served = new Map<string, ServedCheck>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HealthChecksOptions) {
    this.#options = options;
  }

  /** Takes over what became of these Services; undefined: nothing to answer any more. */
  update(checks: Iterable<readonly [service: string, check: HealthCheck | undefined]>): void {
    const all = [...checks];
    // Those that end first: their ports may be taken over.
    for (const [service, check] of all) {
      if (check?.port !== this.#served.get(service)?.check.port) this.#end(service);
    }
    const hosts = all.some(([, check]) => check) ? this.#options.hosts() : [];
    for (const [service, check] of all) {
      if (!check) continue;
      const served = this.#served.get(service) ?? { check, servers: new Map(), failing: new Set<string>() };
      this.#served.set(service, served);
      served.check = check;
      this.#listen(service, served, hosts);
    }
    this.#watch();
  }

  /** Stops answering. */
  stop(): void {
    for (const service of [...this.#served.keys()]) this.#end(service);
    this.#watch();
  }

  #watch(): void {
    if (this.#served.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    this.#timer ??= setInterval(() => {
      const hosts = this.#options.hosts();
      for (const [service, served] of this.#served) this.#listen(service, served, hosts);
    }, this.#options.retryMs ?? defaultRetryMs).unref();
  }

  #end(service: string): void {
    for (const server of this.#served.get(service)?.servers.values() ?? []) close(server);
    this.#served.delete(service);
  }

  /** Makes the check listen on exactly these addresses, as far as it can. */
  #listen(service: string, served: ServedCheck, hosts: readonly string[]): void {
    const { servers } = served;
    for (const [host, server] of servers) {
      if (hosts.includes(host)) continue;
      servers.delete(host);
      served.failing.delete(host);
      close(server);
    }
    for (const host of hosts) if (!servers.has(host)) servers.set(host, this.#open(service, served, host));
  }

  #open(service: string, served: ServedCheck, host: string): Server {
    const { log, isProxyHealthy, onFailure } = this.#options;
    const { port } = served.check;
    const patienceMs = this.#options.patienceMs ?? defaultPatienceMs;
    const patience = {
      headersTimeout: patienceMs,
      requestTimeout: patienceMs,
      keepAliveTimeout: patienceMs,
      connectionsCheckingInterval: patienceMs,
    };
    const server = createServer(patience, (_request, response) => {
      const answer = renderHealthCheckAnswer(service, served.check, familyOf(host), isProxyHealthy());
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
    server.maxConnections = maxConnections;
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (served.servers.get(host) === server) served.servers.delete(host);
      log.warn({ service, host, port, err: error }, 'health check does not listen; tried again');
      // The address is going, or has not proved unique yet (RFC 4862, 5.4): nothing for the Service's owner.
      if (error.code === 'EADDRNOTAVAIL') return;
      const isTold = served.failing.size > 0;
      served.failing.add(host);
      if (isTold) return;
      onFailure(service, `healthCheckNodePort ${String(port)}: cannot listen on ${host}: ${error.message}`);
    });
    server.listen({ host, port, ipv6Only: host.includes(':') }, () => {
      served.failing.delete(host);
      log.debug({ service, host, port }, 'health check listens');
    });
    return server;
  }
}

function close(server: Server): void {
  server.close();
  server.closeAllConnections();
}
