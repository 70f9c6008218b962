/**
 * A process in one network namespace that serves and asks on command: one JSON command per line on standard input,
 * one JSON answer per line on standard output, in order of completion, matched by id.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
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
      readonly verb: 'ask';
      readonly protocol: 'tcp' | 'udp';
      readonly address: string;
      readonly port: number;
      readonly timeoutMs: number;
      /** Port to send from; 0: any. */
      readonly from: number;
    };

/** `name source` of the server that answered, or the error's code, or `timeout`. */
export interface ProbeAnswer {
  readonly id: number;
  readonly answer: string;
}

type Serve = Extract<ProbeCommand, { verb: 'serve' }>;
type Ask = Extract<ProbeCommand, { verb: 'ask' }>;

const plain = (address: string | undefined): string => (address ?? '').replace(/^::ffff:/, '');

function serve({ protocol, address, port, name }: Serve, done: (answer: string) => void): void {
  if (protocol === 'tcp') {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.end(`${name} ${plain(socket.remoteAddress)}`);
    });
    server.on('error', (error: NodeJS.ErrnoException) => {
      done(error.code ?? error.message);
    });
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
  socket.bind(port, address, () => {
    done('ok');
  });
}

function ask({ protocol, address, port, timeoutMs, from }: Ask, done: (answer: string) => void): void {
  let text = '';
  if (protocol === 'tcp') {
    const socket = connect({ host: address, port, ...(from > 0 ? { localPort: from } : {}) });
    const timer = setTimeout(() => {
      socket.destroy();
      done('timeout');
    }, timeoutMs);
    socket.on('data', (data) => (text += data.toString()));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      done(error.code ?? error.message);
    });
    socket.on('end', () => {
      clearTimeout(timer);
      done(text);
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
    socket.connect(port, address, () => {
      socket.send('who are you?');
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
  else ask(command, done);
}
process.exit(0);
