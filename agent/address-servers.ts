import { once } from 'node:events';
import type { Server } from 'node:http';
import { Runner } from './runner.ts';

export interface AddressServersOptions<S extends Server> {
  /** A new server that does not listen yet. */
  readonly make: () => S;
  readonly port: number;
  /** What is told of an address where it cannot listen. */
  readonly toError: (host: string, cause: NodeJS.ErrnoException) => Error;
  /** Told of what fails after the start; it is tried again. */
  readonly onError: (error: unknown) => void;
}

/** One server on a list of addresses, which may change: each address has a socket of its own. */
export class AddressServers<S extends Server> {
  readonly #options: AddressServersOptions<S>;
  readonly #runner: Runner;
  readonly #listening = new Map<string, S>();
  #hosts: readonly string[] = [];

  constructor(options: AddressServersOptions<S>) {
    this.#options = options;
    this.#runner = new Runner({
      run: () => this.#ensure(),
      minIntervalMs: 0,
      maxIntervalMs: 30_000,
      onError: (error) => options.onError(error),
    });
  }

  get servers(): readonly S[] {
    return [...this.#listening.values()];
  }

  /** Listens on all of these. @throws what {@link AddressServersOptions.toError} made; then it listens on none */
  async start(hosts: readonly string[]): Promise<void> {
    this.#hosts = hosts;
    try {
      await this.#ensure();
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#runner.start();
  }

  /** From now on listens on exactly these, as soon as it can: an address may need a moment to be usable. */
  follow(hosts: readonly string[]): void {
    this.#hosts = hosts;
    this.#runner.wake();
  }

  /** Ends open connections, too. */
  async stop(): Promise<void> {
    await this.#runner.stop();
    await Promise.all([...this.#listening.keys()].map((host) => this.#close(host)));
  }

  async #ensure(): Promise<void> {
    const gone = [...this.#listening.keys()].filter((host) => !this.#hosts.includes(host));
    await Promise.all(gone.map((host) => this.#close(host)));
    const errors: Error[] = [];
    for (const host of this.#hosts.filter((each) => !this.#listening.has(each))) {
      try {
        await this.#listen(host);
      } catch (cause) {
        errors.push(this.#options.toError(host, cause as NodeJS.ErrnoException));
      }
    }
    const [error] = errors;
    if (error) throw error;
  }

  async #listen(host: string): Promise<void> {
    const { make, port, toError, onError } = this.#options;
    const server = make();
    server.listen({ host, port, ipv6Only: host.includes(':') });
    await once(server, 'listening');
    server.on('error', (cause) => onError(toError(host, cause)));
    this.#listening.set(host, server);
  }

  async #close(host: string): Promise<void> {
    const server = this.#listening.get(host);
    this.#listening.delete(host);
    if (!server) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    server.close(() => resolve(undefined));
    server.closeAllConnections();
    await promise;
  }
}
