import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { runInNamespace } from '../../netns/namespace.ts';
import { allowedCores } from './cores.ts';

interface ChildOptions {
  /** The network namespace it lives in: a path. Default: our own. */
  readonly namespace?: string;
  /** On one core and never moved: what it measures must not depend on where it runs. */
  readonly pinned?: boolean;
  /** The control group's file of processes, which it is written into before it begins. */
  readonly group?: string;
}

/** Starts a measuring process of this folder, with a channel for messages. */
export function startChild(file: string, args: readonly string[], options: ChildOptions = {}): ChildProcess {
  const command = [process.execPath, join(import.meta.dirname, file), ...args];
  if (options.pinned) {
    // The first is where most machines handle their interrupts.
    command.unshift('taskset', '--cpu-list', String(allowedCores().at(-1)));
  }
  if (options.group !== undefined) command.unshift('sh', '-c', 'echo $$ >"$0" && exec "$@"', options.group);
  const [program = '', ...rest] = command;
  const start = (): ChildProcess => spawn(program, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  return options.namespace === undefined ? start() : runInNamespace(options.namespace, start);
}

/** Runs a measuring process to its end and returns the one message it sends. */
export async function runChild<Message>(
  file: string,
  args: readonly string[],
  options: ChildOptions = {},
): Promise<Message> {
  const child = startChild(file, args, options);
  let message: Message | undefined;
  child.once('message', (sent) => (message = sent as Message));
  await once(child, 'exit');
  if (message === undefined) {
    throw new Error(
      `${file} ${args.join(' ')} ended with ${child.exitCode ?? child.signalCode ?? 'nothing'}`,
    );
  }
  return message;
}
