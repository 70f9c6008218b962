import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Parser, type FinalResults, type Result } from 'tap-parser';

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

/** What came of one test file. */
export interface FileOutcome extends Readonly<Count> {
  readonly file: string;
  readonly ok: boolean;
  /** Why the file chose to run none of its tests. */
  readonly skipReason?: string;
  /** What failed and how, in words. */
  readonly failures: readonly string[];
  readonly ms: number;
}

/** A file that takes longer hangs: tap says then what it waits for. */
const timeoutSeconds = 600;
/** Long enough for that; then the process is ended. */
const lastWordsMs = 30_000;

/** A third of a short file's time goes into compiling what all of them load; not for the programs that a test starts. */
function renderCompileCache(directory: string): string {
  const script = `import { enableCompileCache } from 'node:module'; enableCompileCache(${JSON.stringify(directory)})`;
  return `--import=data:text/javascript,${encodeURIComponent(script)}`;
}

/**
 * Runs a test file in a process of its own and counts its single assertions. Not by way of tap's own runner: that one
 * loads a recorder of files and source maps into each test and into every Node.js process that a test starts.
 *
 * @param cwd the repository's root, to which `file` is relative
 */
export async function runTestFile(file: string, cwd: string): Promise<FileOutcome> {
  const started = performance.now();
  const env = { ...process.env, TAP: '1', TAP_TYPE_STRIP_ONLY: '1', TAP_TIMEOUT: String(timeoutSeconds) };
  const loadFirst = renderCompileCache(join(cwd, 'node_modules/.cache/compiled'));
  const child = spawn(process.execPath, [loadFirst, file], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutSeconds * 1000 + lastWordsMs);
  const parser = new Parser({ name: file });
  const failures: string[] = [];
  const count = countLeaves(parser, [], failures);
  const ended = new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(signal ?? String(code)));
  });
  const results = await new Promise<FinalResults>((resolve) => {
    parser.on('complete', resolve);
    child.stdout.pipe(parser);
  });
  const end = await ended;
  clearTimeout(timer);
  const ms = performance.now() - started;
  if (results.plan.skipAll && end === '0') {
    return {
      file,
      ok: true,
      skipReason: results.plan.skipReason,
      passed: 0,
      failed: 0,
      skipped: 1,
      failures,
      ms,
    };
  }
  const ok = results.ok && end === '0';
  // A file that crashed has no failed assertion of its own.
  if (!ok && count.failed === 0) {
    count.failed = 1;
    failures.push(`FAILED ${file}\nended with ${end}; ${JSON.stringify(results.failures, undefined, 2)}`);
  }
  return { file, ok, ...count, failures, ms };
}

/** Counts the assertions below, without those that only sum up a nested test; the count is whole when the parser is. */
function countLeaves(parser: Parser, path: readonly string[], failures: string[]): Count {
  const count = { passed: 0, failed: 0, skipped: 0 };
  const nested = new Set<string>();
  const children: Count[] = [];
  parser.on('child', (child: Parser) => {
    nested.add(child.name);
    children.push(countLeaves(child, [...path, parser.name], failures));
  });
  parser.on('assert', (result: Result) => {
    const own = !nested.has(result.name);
    if (result.skip || result.todo) count.skipped += 1;
    else if (!own && result.ok) return;
    else if (result.ok) count.passed += 1;
    else if (own || children.every((child) => child.failed === 0)) {
      count.failed += 1;
      const place = [...path, parser.name, result.name].filter(Boolean).join(' > ');
      failures.push(`FAILED ${place}\n${renderDiagnostics(result)}`);
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
