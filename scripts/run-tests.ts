/**
 * Runs the checks and the test files, prints one line for each, then everything that failed, then
 * `N passed, N failed`. Usage: run-tests.ts [PATTERN]: only test files whose path contains PATTERN, no checks.
 */
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { diffMachineState, readMachineState } from '../rig/residue.ts';
import { runTestFile } from './test-file.ts';

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  readonly failures: string[];
}

const root = join(import.meta.dirname, '..');
const bin = join(root, 'node_modules/.bin');
const checks = [
  ['types', join(bin, 'tsc'), '--noEmit'],
  ['lint', join(bin, 'eslint'), '--max-warnings', '0', '.'],
  ['format', join(bin, 'prettier'), '--check', '.'],
  [
    'arrows',
    join(bin, 'depcruise'),
    '--config',
    '.dependency-cruiser.cjs',
    ...['agent', 'api', 'cni', 'netns', 'iptables', 'dns', 'rig', 'scripts', 'test'],
  ],
  ['unused code', join(bin, 'knip')],
] as const;

const pattern = process.argv[2] ?? '';
const tally: Tally = { passed: 0, failed: 0, skipped: 0, failures: [] };
const isRoot = process.getuid?.() === 0;
const before = isRoot ? readMachineState() : undefined;

if (!pattern) await Promise.all(checks.map(([name, command, ...args]) => runCheck(name, command, args)));
const files = globSync('test/**/*.test.ts', { cwd: root })
  .sort()
  .filter((file) => file.includes(pattern));
if (files.length === 0) {
  process.stderr.write(`no test file's path contains "${pattern}"\n`);
  process.exit(1);
}
// The end-to-end tests compare the whole machine before and after: beside them only what touches nothing but loopback.
const alone = files.filter((file) => file.startsWith('test/e2e/'));
const harmless = files.filter((file) => file.startsWith('test/api/'));
const rest = files.filter((file) => !alone.includes(file) && !harmless.includes(file));
await runFiles(rest, 2);
await Promise.all([runFiles(alone, 1), runFiles(harmless, 1)]);
if (before) checkResidue(before);

for (const failure of tally.failures) process.stdout.write(`\n${failure}\n`);
const skipped = tally.skipped > 0 ? `, ${tally.skipped} skipped` : '';
process.stdout.write(`\n${tally.passed} passed, ${tally.failed} failed${skipped}\n`);
process.exitCode = tally.failed > 0 ? 1 : 0;

async function runCheck(name: string, command: string, args: readonly string[]): Promise<void> {
  const started = performance.now();
  const { code, output } = await run(command, args);
  // dependency-cruiser succeeds when it understood nothing at all; that must not count as a pass.
  const blind = name === 'arrows' && !/[1-9]\d* modules/.test(output);
  report(name, code === 0 && !blind, performance.now() - started, 1, code === 0 && !blind ? 0 : 1);
  if (code === 0 && !blind) tally.passed += 1;
  else {
    tally.failed += 1;
    tally.failures.push(
      `FAILED ${name}\n${blind ? 'dependency-cruiser cruised 0 modules\n' : ''}${output.trimEnd()}`,
    );
  }
}

function run(command: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const collect = (chunk: Buffer) => (output += chunk.toString());
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

/** Runs so many of the files at once, in their order. */
async function runFiles(paths: readonly string[], jobs: number): Promise<void> {
  const left = paths.values();
  const work = async (): Promise<void> => {
    for (const path of left) {
      const { ok, passed, failed, skipped, skipReason, failures, ms } = await runTestFile(path, root);
      if (skipReason === undefined) report(path, ok, ms, passed, failed);
      else process.stdout.write(`skip  ${path}: ${skipReason}\n`);
      tally.passed += passed;
      tally.failed += failed;
      tally.skipped += skipped;
      tally.failures.push(...failures);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
}

function report(name: string, ok: boolean, ms: number, passed: number, failed: number): void {
  process.stdout.write(
    `${ok ? 'ok   ' : 'FAIL '} ${name} (${passed} passed${failed ? `, ${failed} failed` : ''}, ${(ms / 1000).toFixed(1)} s)\n`,
  );
}

/** The whole run must leave the machine as it found it. */
function checkResidue(start: ReturnType<typeof readMachineState>): void {
  const left = diffMachineState(start, readMachineState());
  report(
    'nothing is left behind',
    left.length === 0,
    0,
    left.length === 0 ? 1 : 0,
    left.length === 0 ? 0 : 1,
  );
  if (left.length === 0) tally.passed += 1;
  else {
    tally.failed += 1;
    tally.failures.push(`FAILED nothing is left behind\n${left.slice(0, 40).join('\n')}`);
  }
}
