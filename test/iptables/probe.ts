/**
 * A process in one network namespace that serves and asks on command: one JSON command per line on standard input,
 * one JSON answer per line on standard output, in order of completion, matched by id.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';

export type ProbeCommand =
  | {
      readonly id: number;
      readonly verb: 'serve';
      readonly protocol: 'tcp' | 'udp';
      readonly address: string;
      readonly port: number;
      readonly name: string;
    }
  | {
      readonly id: number;
      /** Ends what `serve` started. */
      readonly verb: 'close';
      readonly protocol: 'tcp' | 'udp';
      readonly address: string;
      readonly port: number;
    }
  | {
      readonly id: number;
      readonly verb: 'ask';
      readonly protocol: 'tcp' | 'udp';
      readonly address: string;
      readonly port: number;
      readonly timeoutMs: number;
      /** Port to send from; 0: any. */
      readonly from: number;
    }
  | {
      readonly id: number;
      readonly verb: 'open';
      /** What the connection is called from now on. */
      readonly connection: string;
      readonly address: string;
      readonly port: number;
      readonly from: number;
      readonly timeoutMs: number;
    }
  | {
      readonly id: number;
      readonly verb: 'say';
      readonly connection: string;
      readonly timeoutMs: number;
    };

/**
 * `name source` of the server that answered (with the port behind it, if it answers something said on an open
 * connection), or the error's code, or `timeout`.
 */
export interface ProbeAnswer {
  readonly id: number;
  readonly answer: string;
}

type Serve = Extract<ProbeCommand, { verb: 'serve' }>;
type Close = Extract<ProbeCommand, { verb: 'close' }>;
type Ask = Extract<ProbeCommand, { verb: 'ask' }>;
type Open = Extract<ProbeCommand, { verb: 'open' }>;
type Say = Extract<ProbeCommand, { verb: 'say' }>;

const connections = new Map<string, Socket>();
/** How to end each server, by protocol, address and port. */
const servers = new Map<string, (done: () => void) => void>();

function serverKey({ protocol, address, port }: Pick<Serve, 'protocol' | 'address' | 'port'>): string {
  return `${protocol} ${address} ${String(port)}`;
}

const plain = (address: string | undefined): string => (address ?? '').replace(/^::ffff:/, '');

function serve(command: Serve, done: (answer: string) => void): void {
  const { protocol, address, port, name } = command;
  if (protocol === 'tcp') {
    const server = createServer((socket) => {
      const client = `${name} ${plain(socket.remoteAddress)}`;
      socket.on('error', () => socket.destroy());
      socket.on('data', () => socket.write(`${client} ${String(socket.remotePort)}`));
      socket.write(client);
    });
    server.on('error', (error: NodeJS.ErrnoException) => {
      done(error.code ?? error.message);
    });
    servers.set(serverKey(command), (ended) => server.close(ended));
    server.listen({ port, host: address }, () => {
      done('ok');
    });
    return;
  }
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (_message, peer) => {
    socket.send(`${name} ${plain(peer.address)}`, peer.port, peer.address);
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    done(error.code ?? error.message);
  });
  servers.set(serverKey(command), (ended) => socket.close(ended));
  socket.bind(port, address, () => {
    done('ok');
  });
}

function close(command: Close, done: (answer: string) => void): void {
  const key = serverKey(command);
  const end = servers.get(key);
  servers.delete(key);
  if (end) end(() => done('ok'));
  else done(`nobody serves ${key}`);
}

/** Waits for the next thing the server says. */
function listen(socket: Socket, timeoutMs: number, done: (answer: string) => void): void {
  const finish = (answer: string): void => {
    clearTimeout(timer);
    for (const event of ['data', 'error', 'close']) socket.removeAllListeners(event);
    socket.on('error', () => socket.destroy());
    done(answer);
  };
  const timer = setTimeout(() => finish('timeout'), timeoutMs);
  socket.on('data', (data) => finish(data.toString()));
  socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
  socket.on('close', () => finish('closed'));
}

function open({ connection, address, port, from, timeoutMs }: Open, done: (answer: string) => void): void {
  const socket = connect({ host: address, port, ...(from > 0 ? { localPort: from } : {}) });
  connections.set(connection, socket);
  listen(socket, timeoutMs, done);
}

function say({ connection, timeoutMs }: Say, done: (answer: string) => void): void {
  const socket = connections.get(connection);
  if (!socket) {
    done(`no connection ${connection}`);
    return;
  }
  if (socket.destroyed) {
    done('closed');
    return;
  }
  listen(socket, timeoutMs, done);
  socket.write('who are you?');
}

function ask({ protocol, address, port, timeoutMs, from }: Ask, done: (answer: string) => void): void {
  if (protocol === 'tcp') {
    const socket = connect({ host: address, port, ...(from > 0 ? { localPort: from } : {}) });
    listen(socket, timeoutMs, (answer) => {
      socket.destroy();
      done(answer);
    });
    return;
  }
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const finish = (answer: string): void => {
    clearTimeout(timer);
    socket.close();
    done(answer);
  };
  const timer = setTimeout(() => {
    finish('timeout');
  }, timeoutMs);
  socket.on('error', (error: NodeJS.ErrnoException) => {
    finish(error.code ?? error.message);
  });
  socket.on('message', (data) => {
    finish(data.toString());
  });
  socket.bind(from, () => {
    // Typed as if it could not fail; without a route it does, right here.
    socket.connect(port, address, (error?: NodeJS.ErrnoException) => {
      if (error) finish(error.code ?? error.message);
      else socket.send('who are you?');
    });
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as ProbeCommand;
  let answered = false;
  const done = (answer: string): void => {
    if (answered) return;
    answered = true;
    process.stdout.write(`${JSON.stringify({ id: command.id, answer } satisfies ProbeAnswer)}\n`);
  };
  if (command.verb === 'serve') serve(command, done);
  else if (command.verb === 'close') close(command, done);
  else if (command.verb === 'open') open(command, done);
  else if (command.verb === 'say') say(command, done);
  else ask(command, done);
}
process.exit(0);
