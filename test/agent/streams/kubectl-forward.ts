import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Test } from 'tap';
import { eventually } from '../../api/eventually.ts';

/** A `kubectl port-forward` that listens. */
export interface Forward {
  /** By remote port, the local one. */
  readonly ports: ReadonlyMap<number, number>;
  readonly errors: () => string;
  readonly exited: Promise<unknown>;
}

/** Starts it and waits until it listens on 127.0.0.1 for each port asked for; the test's end ends it. */
export async function startForward(t: Test, kubectl: string, args: string[]): Promise<Forward> {
  const child = spawn(kubectl, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  t.teardown(() => child.kill());
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const ports = new Map<number, number>();
  const wanted = args.filter((arg) => /^\d*:\d+$/.test(arg)).length;
  let output = '';
  // Read to its end: kubectl says a line for each connection.
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    for (const [, local, remote] of output.matchAll(/Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)\n/g))
      ports.set(Number(remote), Number(local));
  });
  await eventually(
    `kubectl forwards: ${args.join(' ')}`,
    () => ports.size === wanted || child.exitCode !== null,
  );
  if (ports.size < wanted) throw new Error(`kubectl ended: ${errors}`);
  return { ports, errors: () => errors, exited };
}
