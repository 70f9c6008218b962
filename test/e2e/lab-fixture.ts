import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { LabShell } from '../../scripts/guide/lab-shell.ts';
import { startWalk, type WalkState } from '../../scripts/guide/check.ts';
import { clearGuide, guideChecks } from '../../scripts/guide/walk.ts';
import type { Kubectl } from '../kubectls.ts';
import { freePort } from '../../rig/free-port.ts';

const root = join(import.meta.dirname, '../..');
export const weft = join(root, 'bin/weft');

/** A lab of its own name and port, so that tests run beside a user's lab. */
export class TestLab {
  readonly name: string;
  readonly nodes: readonly string[];
  readonly #cacheDir = mkdtempSync(join(tmpdir(), 'weft-kubectl-'));

  constructor(name: string, nodeCount: number) {
    this.name = name;
    this.nodes = Array.from({ length: nodeCount }, (_, index) => `node${index + 1}`);
  }

  async up(...args: string[]): Promise<void> {
    const port = await freePort();
    this.run('up', '--nodes', String(this.nodes.length), '--api-port', String(port), ...args);
  }

  /** `weft lab --name … ARGS`; throws with its output when it fails. */
  run(...args: string[]): string {
    return execFileSync(weft, ['lab', '--name', this.name, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
    });
  }

  shell(kubectl: Kubectl): LabShell {
    return new LabShell({
      lab: this.name,
      kubectl: kubectl.path,
      cacheDir: join(this.#cacheDir, kubectl.version),
    });
  }

  down(): void {
    this.run('down');
    rmSync(this.#cacheDir, { recursive: true, force: true });
  }
}

/** Walks the whole guide and asserts each of its checks. Returns what the walk ended with. */
export async function walkGuide(t: Test, shell: LabShell, nodes: readonly string[]): Promise<WalkState> {
  const walk = startWalk(shell, nodes);
  await clearGuide(shell);
  for (const check of guideChecks) {
    try {
      t.pass(`${check.name}: ${await check.run(walk)}`);
    } catch (error) {
      t.fail(`${check.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return walk;
}
