/**
 * Runs the checks and the test files, prints one line for each, then everything that failed, then
 * `N passed, N failed`. Usage: run-tests.ts [PATTERN]: only test files whose path contains PATTERN, no checks.
 */
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { Parser, type Result } from 'tap-parser';
import { diffMachineState, readMachineState } from '../rig/residue.ts';

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

interface Tally extends Count {
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
// The end-to-end tests compare the whole machine before and after: each has it to itself.
const alone = files.filter((file) => file.startsWith('test/e2e/'));
const together = files.filter((file) => !alone.includes(file));
if (together.length > 0) await runFiles(together, 2);
if (alone.length > 0) await runFiles(alone, 1);
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

/** Runs the files through tap and counts single assertions, not files. */
async function runFiles(paths: readonly string[], jobs: number): Promise<void> {
  const child = spawn(join(bin, 'tap'), ['--reporter=tap', `--jobs=${jobs}`, ...paths], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const parser = new Parser();
  const counts = new Map<string, Count>();
  parser.on('child', (file: Parser) => counts.set(file.name, countLeaves(file, [])));
  parser.on('assert', (result: Result) => {
    const count = counts.get(result.name) ?? { passed: 0, failed: 0, skipped: 0 };
    if (result.skip) {
      count.skipped += 1;
      process.stdout.write(`skip  ${result.name}: ${String(result.skip)}\n`);
    } else {
      // A file that crashed or timed out has no failed assertion of its own.
      if (!result.ok && count.failed === 0) {
        count.failed = 1;
        tally.failures.push(`FAILED ${result.name}\n${renderDiagnostics(result)}`);
      }
      report(result.name, result.ok, result.time ?? 0, count.passed, count.failed);
    }
    tally.passed += count.passed;
    tally.failed += count.failed;
    tally.skipped += count.skipped;
  });
  const exited = new Promise<number | null>((resolve) => child.on('close', resolve));
  await new Promise((resolve) => child.stdout.pipe(parser).on('complete', resolve));
  const code = await exited;
  if (code !== 0 && tally.failed === 0) {
    tally.failed += 1;
    tally.failures.push(`FAILED the test runner itself ended with ${code}`);
  }
}

/** Counts the assertions of one file, without those that only sum up a nested test. */
function countLeaves(parser: Parser, path: readonly string[]): Count {
  const count = { passed: 0, failed: 0, skipped: 0 };
  const nested = new Set<string>();
  const children: Count[] = [];
  parser.on('child', (child: Parser) => {
    nested.add(child.name);
    children.push(countLeaves(child, [...path, parser.name]));
  });
  parser.on('assert', (result: Result) => {
    const own = !nested.has(result.name);
    if (result.skip || result.todo) count.skipped += 1;
    else if (!own && result.ok) return;
    else if (result.ok) count.passed += 1;
    else if (own || children.every((child) => child.failed === 0)) {
      count.failed += 1;
      tally.failures.push(
        `FAILED ${[...path, parser.name, result.name].filter(Boolean).join(' > ')}\n${renderDiagnostics(result)}`,
      );
    }
  });
  parser.on('complete', () => {
    for (const child of children) {
      count.passed += child.passed;
      count.failed += child.failed;
      count.skipped += child.skipped;
    }
  });
  return count;
}

function renderDiagnostics(result: Result): string {
  return result.diag ? JSON.stringify(result.diag, undefined, 2).replaceAll('\\n', '\n') : '';
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
