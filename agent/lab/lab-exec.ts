import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { runInNamespace } from '../../netns/namespace.ts';
import { AgentError } from '../agent-error.ts';
import { hostEnvironment } from './lab-config.ts';
import { listHosts } from './lab-plan.ts';
import { openLab } from './lab-settings.ts';

/** Runs a command on a lab's host with our own stdin, stdout and stderr; returns its exit code. */
export async function labExec(name: string, target: string, command: readonly string[]): Promise<number> {
  const plan = openLab(name);
  const host = listHosts(plan).find((each) => each.name === target);
  if (!host) {
    const known = listHosts(plan).map((each) => each.name);
    throw new AgentError('no-target', `lab ${name} has no host ${target}`, `name one of ${known.join(', ')}`);
  }
  // The command line's own `--` stands before the command it protects.
  const [file = '', ...args] = command[0] === '--' ? command.slice(1) : command;
  const child = runInNamespace(host.namespace, () =>
    spawn(file, args, { stdio: 'inherit', env: hostEnvironment(plan, host) }),
  );
  // A terminal sends ^C to both: the command decides what it means. What others send us is for the command.
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') {
        process.stderr.write(`weft: ${file}: there is no such program\n`);
        resolve(127);
      } else reject(cause);
    });
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}
