import { execFileSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A real kubectl to judge with. */
export interface Kubectl {
  readonly path: string;
  /** E.g. `v1.32.4`. */
  readonly version: string;
  /** The second number of its version, e.g. 32. */
  readonly minor: number;
}

const debian = join(import.meta.dirname, '../.cache/kubernetes-client/usr/bin/kubectl');

/**
 * Debian's kubectl, unpacked aside by scripts/setup; the machine's own; and of the versioned ones that some installers
 * put beside that (`kubectl.1.27`) those with the minor versions asked for. One of each minor version.
 */
export function listKubectls(minors: readonly number[] = []): Kubectl[] {
  const onPath = findOnPath('kubectl');
  const beside = onPath === undefined ? '' : dirname(realpathSync(onPath));
  const versioned = minors.map((minor) => join(beside, `kubectl.1.${minor}`));
  const paths = [debian, onPath, ...versioned].filter((path) => path !== undefined && existsSync(path));
  const found = paths.map((path) => readVersion(path as string));
  return found.filter(({ minor }, index) => found.findIndex((other) => other.minor === minor) === index);
}

function findOnPath(program: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(':');
  return folders.map((folder) => join(folder, program)).find(existsSync);
}

function readVersion(path: string): Kubectl {
  const text = execFileSync(path, ['version', '--client', '-o', 'json'], { encoding: 'utf8' });
  const { clientVersion } = JSON.parse(text) as { clientVersion: { gitVersion: string; minor: string } };
  return { path, version: clientVersion.gitVersion, minor: Number.parseInt(clientVersion.minor, 10) };
}
