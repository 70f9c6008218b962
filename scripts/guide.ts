/**
 * Walks the guide in a running lab and shows what it sees.
 * Usage: guide.ts [LAB]. Exits non-zero when a check failed.
 */
import { LabShell } from './guide/lab-shell.ts';
import { ProgressLine } from './guide/progress-line.ts';
import { clearGuide, guideChecks, type WalkState } from './guide/walk.ts';

const lab = process.argv[2] ?? 'lab';
const progress = new ProgressLine(process.stdout, guideChecks.length);
const shell = new LabShell({ lab, kubectl: 'kubectl', onCommand: (command) => progress.show(command) });
const walk: WalkState = { shell, nodes: await labNodes(), pods: [], clusterIP: '' };

await clearGuide(shell);
const rows: { name: string; ok: boolean; seen: string }[] = [];
for (const check of guideChecks) {
  progress.begin(check.name);
  try {
    rows.push({ name: check.name, ok: true, seen: await check.run(walk) });
  } catch (error) {
    rows.push({ name: check.name, ok: false, seen: error instanceof Error ? error.message : String(error) });
  }
  progress.end(rows.at(-1)?.ok ?? false);
}
progress.clear();

const width = Math.max(...rows.map(({ name }) => name.length));
for (const { name, ok, seen } of rows)
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(width)}  ${seen}\n`);
const passed = rows.filter(({ ok }) => ok).length;
process.stdout.write(`\nguide: ${passed} of ${rows.length} checks passed\n`);
process.exitCode = passed === rows.length ? 0 : 1;

/** The nodes that the lab says it has. */
async function labNodes(): Promise<string[]> {
  const status = JSON.parse(await shell.weft('status', '--output', 'json')) as { nodes: { name: string }[] };
  return status.nodes.map(({ name }) => name);
}
