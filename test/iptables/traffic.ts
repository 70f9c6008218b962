/**
 * A process in one network namespace that serves, or keeps asking until its standard input ends and then prints what
 * came of it, one JSON object on standard output.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Server {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** One stream of questions. */
export interface Stream {
  readonly protocol: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
  /** How many new connections (UDP: sockets) a second. */
  readonly perSecond: number;
  /** How many connections stay all the time, with data going both ways. */
  readonly kept: number;
}

export interface StreamOutcome {
  readonly address: string;
  readonly protocol: string;
  readonly answered: number;
  /** Round trips over the connections that stayed. */
  readonly echoed: number;
  readonly failures: readonly string[];
  /** Distinct answers: `name source`. */
  readonly answers: readonly string[];
}

const [role, text = '{}'] = process.argv.slice(2);
const timeoutMs = 10_000;
const plain = (address: string | undefined): string => (address ?? '').replace(/^::ffff:/, '');

/** Says who it is and whom it sees, then says everything again. */
function serve({ name, address, port }: Server): void {
  createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.write(`${name} ${plain(socket.remoteAddress)}\n`);
    socket.pipe(socket);
  }).listen({ port, host: address, backlog: 511 });
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (_message, peer) => {
    socket.send(`${name} ${plain(peer.address)}\n`, peer.port, peer.address);
  });
  socket.bind(port, address);
}

/** A connection or UDP socket on which a line can be awaited. */
class Line {
  readonly #send: (text: string) => void;
  readonly close: () => void;
  #buffer = '';
  #broken: string | undefined;
  #notify: () => void = () => undefined;

  constructor({ protocol, address, port }: Stream) {
    const fail = (error: NodeJS.ErrnoException): void => {
      this.#broken ??= error.code ?? error.message;
      this.#notify();
    };
    const take = (data: Buffer): void => {
      this.#buffer += data.toString();
      this.#notify();
    };
    if (protocol === 'tcp') {
      const socket = connect({ host: address, port });
      socket.on('data', take).on('error', fail);
      socket.on('close', () => {
        fail(new Error('closed'));
      });
      this.#send = (line) => socket.write(line);
      this.close = () => socket.destroy();
      return;
    }
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.on('message', take).on('error', fail);
    this.#send = (line) => {
      socket.send(line, port, address);
    };
    this.close = () => socket.close();
    this.#send('who?\n');
  }

  send(line: string): void {
    this.#send(`${line}\n`);
  }

  /** The next line. */
  async read(): Promise<string> {
    const deadline = setTimeout(() => {
      this.#broken ??= 'timeout';
      this.#notify();
    }, timeoutMs);
    try {
      while (!this.#buffer.includes('\n')) {
        if (this.#broken !== undefined) throw new Error(this.#broken);
        await new Promise<void>((resolve) => (this.#notify = resolve));
      }
    } finally {
      clearTimeout(deadline);
    }
    const end = this.#buffer.indexOf('\n');
    const line = this.#buffer.slice(0, end);
    this.#buffer = this.#buffer.slice(end + 1);
    return line;
  }
}

let ended = false;

async function run(stream: Stream): Promise<StreamOutcome> {
  const outcome = { answered: 0, echoed: 0, failures: [] as string[], answers: new Set<string>() };
  const startMs = performance.now();
  const attempt = async (what: string, act: (line: Line) => Promise<void>): Promise<void> => {
    const sinceMs = performance.now() - startMs;
    const line = new Line(stream);
    try {
      await act(line);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      outcome.failures.push(`${what}, begun at ${sinceMs.toFixed(0)} ms: ${reason}`);
    } finally {
      line.close();
    }
  };
  const keep = (): Promise<void> =>
    attempt('kept', async (line) => {
      await line.read();
      for (let n = 0; !ended; n++) {
        line.send(String(n));
        const answer = await line.read();
        if (stream.protocol === 'tcp' && answer !== String(n)) throw new Error(`${answer} for ${String(n)}`);
        outcome.echoed += 1;
        await sleep(10);
      }
    });
  const ask = (): Promise<void> =>
    attempt('new', async (line) => {
      outcome.answers.add(await line.read());
      outcome.answered += 1;
    });
  const open: Promise<void>[] = Array.from({ length: stream.kept }, keep);
  for (let n = 0; !ended; n++) {
    const waitMs = startMs + (n * 1000) / stream.perSecond - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    open.push(ask());
  }
  await Promise.all(open);
  const { address, protocol } = stream;
  return { address, protocol, ...outcome, answers: [...outcome.answers].sort() };
}

process.stdin.on('end', () => (ended = true)).resume();
if (role === 'serve') {
  for (const server of JSON.parse(text) as Server[]) serve(server);
  process.stdin.on('end', () => process.exit(0));
} else {
  const outcomes = await Promise.all((JSON.parse(text) as Stream[]).map(run));
  process.stdout.write(JSON.stringify(outcomes), () => process.exit(0));
}
