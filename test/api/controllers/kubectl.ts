import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Kubectl } from '../../kubectls.ts';
import type { TestCluster } from './cluster.ts';

/** Runs one command line; resolves with what it printed on both streams, whatever its exit code. */
export type Run = (line: string, input?: string) => Promise<string>;

export function runner(t: Test, { path }: Kubectl, { server }: Pick<TestCluster, 'server'>): Run {
  // What kubectl has learnt of one server must not serve for another.
  const cache = join(t.testdirName, 'cache');
  const common = ['--kubeconfig', server.adminKubeconfigPath, '--cache-dir', cache];
  return (line, input) =>
    new Promise((resolve) => {
      const child = execFile(
        path,
        [...common, ...line.split(' ')],
        { timeout: 60_000 },
        (_error, stdout, stderr) => {
          resolve(stdout + stderr);
        },
      );
      child.stdin?.end(input);
    });
}
