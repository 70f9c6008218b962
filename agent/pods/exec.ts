import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import * as fs from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import * as tty from 'node:tty';
import { openPty, resizeTerminal } from '../../netns/pty.ts';
import { StreamError } from '../streams/stream-error.ts';
import type { ContainerProcess, ExecRequest } from '../streams/pod-streams.ts';
import { identifyProcess, isAlive } from './record.ts';
import { runtimeEnvironment } from './runtime.ts';
import type { Runtime } from './runtime.ts';

/** How long a process may take to end after its client went away. */
const hangUpMs = 2_000;

/** Starts a process in a running container. */
export function execInContainer(runtime: Runtime, id: string, request: ExecRequest): ContainerProcess {
  const dir = runtime.makeExecDir();
  const files = { pidFile: join(dir, 'pid'), log: join(dir, 'log') };
  const [program, args] = runtime.execCommand(id, request.command, { ...files, tty: request.tty });
  const opened = request.tty ? spawnOnTerminal(program, args) : spawnOnPipes(program, args, request.stdin);
  const { child, ...streams } = opened;
  const exitCode = awaitExit(child, files.log).finally(() =>
    fs.rmSync(dir, { recursive: true, force: true }),
  );
  // Whoever asks for the code hears of a failure; nobody asking is no crash.
  exitCode.catch(() => undefined);
  return { ...streams, exitCode, close: () => hangUp(files.pidFile) };
}

type Opened = Pick<ContainerProcess, 'stdin' | 'stdout' | 'stderr' | 'resize'> & {
  readonly child: ChildProcess;
};

function spawnOnPipes(program: string, args: string[], stdin: boolean): Opened {
  const child = spawn(program, args, { stdio: 'pipe', env: runtimeEnvironment });
  // A process that ended leaves a pipe that cannot be written to any more: no failure of ours.
  child.stdin.on('error', () => child.stdin.destroy());
  if (!stdin) child.stdin.end();
  return { child, stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, resize: () => undefined };
}

/** runc takes our side's terminal for its own and makes another one in the container. */
function spawnOnTerminal(program: string, args: string[]): Opened {
  const { master, slave } = openPty();
  const child = spawn(program, args, { stdio: [slave, slave, slave], env: runtimeEnvironment });
  fs.closeSync(slave);
  const terminal = new tty.ReadStream(master);
  const resize = (columns: number, rows: number): void => {
    if (terminal.destroyed) return;
    resizeTerminal(master, columns, rows);
    // The terminal is nobody's controlling one, so runc is told by hand.
    child.kill('SIGWINCH');
  };
  return {
    child,
    stdin: terminal,
    stdout: readTerminal(terminal),
    stderr: undefined,
    resize,
  };
}

/** A terminal's output; its master side fails with EIO once every process has closed the other side. */
function readTerminal(terminal: tty.ReadStream): Readable {
  const chunks = async function* (): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of terminal) yield chunk as Buffer;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error;
    }
  };
  // A later EIO, on writing, has nobody listening otherwise.
  terminal.on('error', () => terminal.destroy());
  return Readable.from(chunks(), { objectMode: false });
}

function awaitExit(child: ChildProcess, log: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(new StreamError(500, `cannot run runc: ${error.message}`, { cause: error })),
    );
    child.once('exit', (code, signal) => {
      const complaint = code === 0 ? undefined : readComplaint(log);
      const commandFault = complaint === undefined ? undefined : judgeCommand(complaint);
      if (complaint === undefined) resolve(code ?? 128 + (signal ? constants.signals[signal] : 0));
      else if (commandFault !== undefined) resolve(commandFault);
      else reject(new StreamError(500, `OCI runtime exec failed: ${complaint}`));
    });
  });
}

/**
 * The exit code of a command that could not be run, as shells have it: 127 when there is no such program, 126 when
 * it cannot be executed. runc has said why on stderr. Undefined when the command is not to blame.
 */
function judgeCommand(complaint: string): number | undefined {
  const why = /: exec(?:: "[^]*"| \/\S*): (.*)$/.exec(complaint)?.[1];
  if (why === undefined) return undefined;
  return /not found|no such file/.test(why) ? 127 : 126;
}

/** What runc itself could not do; undefined when the process ran. */
function readComplaint(log: string): string | undefined {
  const text = fs.existsSync(log) ? fs.readFileSync(log, 'utf8').trim() : '';
  for (const line of text.split('\n').reverse()) {
    if (line === '') continue;
    const { level, msg } = JSON.parse(line) as { level?: string; msg?: string };
    if (level === 'error' || level === 'fatal') return msg ?? 'unknown error';
  }
  return undefined;
}

function hangUp(pidFile: string): void {
  const pid = fs.existsSync(pidFile) ? Number(fs.readFileSync(pidFile, 'utf8')) : 0;
  const process_ = pid > 0 ? identifyProcess(pid) : undefined;
  if (process_ === undefined) return;
  process.kill(pid, 'SIGHUP');
  setTimeout(() => {
    if (isAlive(process_)) process.kill(pid, 'SIGKILL');
  }, hangUpMs).unref();
}
