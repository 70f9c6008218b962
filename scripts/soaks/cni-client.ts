import dgram from 'node:dgram';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import { connectInNamespace, runInNamespace } from '../../netns/namespace.ts';
import { openServerSocket } from '../../netns/server-socket.ts';

const timeoutMs = 2_000;

/**
 * Who asks containers for their names ({@link ContainerServers}), from one host. For UDP it keeps its sockets: conntrack
 * takes what it sends to one port for one flow, however often who answers has changed.
 */
export class CniClient implements Disposable {
  readonly #namespace: string;
  readonly #udp: Readonly<Record<4 | 6, dgram.Socket>>;
  /** By where the answer comes from. */
  readonly #waiting = new Map<string, (answer: string) => void>();

  constructor(namespace: string) {
    this.#namespace = namespace;
    this.#udp = { 4: this.#openUdp(4), 6: this.#openUdp(6) };
  }

  /** Sends something, whether anybody answers or not. */
  speak(host: string, port: number): void {
    this.#udp[net.isIPv6(host) ? 6 : 4].send('?', port, host, () => undefined);
  }

  /** What answers over UDP; undefined: nothing. */
  askUdp(host: string, port: number): Promise<string | undefined> {
    const key = `${host} ${port}`;
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const timer = setTimeout(() => resolve(undefined), timeoutMs);
    this.#waiting.set(key, resolve);
    this.speak(host, port);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(key);
    });
  }

  /** What answers over TCP; undefined: nothing. */
  askTcp(host: string, port: number): Promise<string | undefined> {
    return askTcp(this.#namespace, host, port);
  }

  [Symbol.dispose](): void {
    for (const socket of Object.values(this.#udp)) socket.close();
  }

  #openUdp(family: 4 | 6): dgram.Socket {
    const options = {
      protocol: 'udp',
      host: family === 6 ? '::' : '0.0.0.0',
      port: 0,
      shared: false,
    } as const;
    const socket = dgram.createSocket(family === 6 ? 'udp6' : 'udp4');
    socket.bind({ fd: runInNamespace(this.#namespace, () => openServerSocket(options)) });
    socket.on('error', () => undefined); // ICMP says that nobody serves the port
    socket.on('message', (answer, { address, port }) =>
      this.#waiting.get(`${address} ${port}`)?.(String(answer)),
    );
    return socket;
  }
}

/** What answers over TCP when somebody in a namespace connects; undefined: nothing. Both ends have closed by then. */
export async function askTcp(namespace: string, host: string, port: number): Promise<string | undefined> {
  const fd = connectInNamespace(namespace, { host, port });
  const socket = new net.Socket({ fd, readable: true, writable: true });
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error('nobody answers')));
  socket.end('');
  try {
    return (await text(socket)) || undefined;
  } catch {
    return undefined; // refused, reset, nobody: who asks knows what that means
  } finally {
    socket.destroy();
  }
}
