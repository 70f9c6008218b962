import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { listenInNamespace, runInNamespace } from '../../netns/namespace.ts';
import { openServerSocket } from '../../netns/server-socket.ts';

const everywhere = ['0.0.0.0', '::'] as const;
/** Where the servers of every container listen. */
export const serverPort = 80;

/** What runs in a container: over TCP and UDP, IPv4 and IPv6, it says its name to whoever asks. */
export class ContainerServers implements AsyncDisposable {
  readonly #tcp: readonly net.Server[];
  readonly #udp: readonly dgram.Socket[];

  constructor(namespace: string, name: string) {
    this.#tcp = everywhere.map((host) => {
      const server = net.createServer((socket) => {
        socket.on('error', () => undefined); // a client that went away
        socket.end(name);
      });
      return server.listen({ fd: listenInNamespace(namespace, { host, port: serverPort }) });
    });
    this.#udp = everywhere.map((host) => {
      const socket = dgram.createSocket(host === '::' ? 'udp6' : 'udp4');
      const options = { protocol: 'udp', host, port: serverPort, shared: false } as const;
      socket.bind({ fd: runInNamespace(namespace, () => openServerSocket(options)) });
      // Without its link a container cannot answer; whoever waits for it tells.
      socket.on('message', (_, { port, address }) => socket.send(name, port, address, () => undefined));
      return socket;
    });
  }

  /** Resolves once no socket keeps the namespace alive. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = [...this.#tcp, ...this.#udp].map((socket) => once(socket, 'close'));
    for (const socket of this.#tcp) socket.close();
    for (const socket of this.#udp) socket.close();
    await Promise.all(closed);
  }
}
