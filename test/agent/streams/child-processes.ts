import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as net from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import type {
  AttachRequest,
  ContainerProcess,
  ContainerRef,
  DialPort,
  ExecRequest,
  LogOptions,
  PodRef,
  PodStreams,
} from '../../../agent/streams/pod-streams.ts';
import { StreamError } from '../../../agent/streams/stream-error.ts';

/** Runs what it is asked for as plain child processes, without any container. */
export class ChildProcesses implements PodStreams {
  /** Terminal sizes that arrived, as `columns x rows`. */
  readonly sizes: string[] = [];
  readonly logRequests: LogOptions[] = [];
  /** How many processes were closed because their client left. */
  closed = 0;
  /** What logs() answers with. */
  logText: () => Readable = () => Readable.from(['one\n', 'two\n']);

  exec(request: ExecRequest): Promise<ContainerProcess> {
    if (request.container === 'missing') {
      return Promise.reject(new StreamError(404, 'container not found ("missing")'));
    }
    const [program = '', ...args] = request.command;
    const child = spawn(program, args, { stdio: 'pipe' });
    if (!request.stdin) child.stdin.end();
    const exitCode = new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => {
        resolve(code ?? 137);
      });
    });
    return Promise.resolve({
      stdin: child.stdin,
      stdout: child.stdout,
      stderr: request.tty ? undefined : child.stderr,
      resize: (columns, rows) => this.sizes.push(`${columns}x${rows}`),
      exitCode,
      close: () => {
        this.closed += 1;
        child.kill('SIGKILL');
      },
    });
  }

  attach(_request: AttachRequest): Promise<ContainerProcess> {
    const stdout = new PassThrough();
    stdout.end('attached\n');
    return Promise.resolve({
      stdin: new PassThrough(),
      stdout,
      stderr: undefined,
      resize: () => undefined,
      exitCode: Promise.resolve(0),
      close: () => undefined,
    });
  }

  logs(_container: ContainerRef, options: LogOptions): Promise<Readable> {
    this.logRequests.push(options);
    return Promise.resolve(this.logText());
  }

  /** Ports of our own machine stand for the pod's. */
  ports({ pod }: PodRef): Promise<DialPort> {
    if (pod === 'missing') return Promise.reject(new StreamError(404, 'pod "missing" is not on this node'));
    return Promise.resolve(async (port) => {
      const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
      await once(socket, 'connect');
      return socket;
    });
  }
}
