/**
 * Walks the guide in a running lab and shows what it sees.
 * Usage: guide.ts [LAB]. Exits non-zero when a check failed.
 */
import { ProgressLine } from '../agent/cli/progress-line.ts';
import { LabShell } from './guide/lab-shell.ts';
import { startWalk } from './guide/check.ts';
import { clearGuide, guideChecks } from './guide/walk.ts';

const lab = process.argv[2] ?? 'lab';
const progress = new ProgressLine(process.stdout);
const startedAt = performance.now();
const rows: { name: string; ok: boolean; seen: string }[] = [];
let current = 'clearing away an earlier walk';
const shell = new LabShell({
  lab,
  kubectl: 'kubectl',
  // Commands come too fast for anything but a line that replaces itself.
  onCommand: (command) => process.stdout.isTTY && progress.show(renderProgress(`$ ${command}`)),
});
const walk = startWalk(shell, await labNodes());

await clearGuide(shell);
for (const check of guideChecks) {
  current = check.name;
  progress.show(renderProgress());
  try {
    rows.push({ name: check.name, ok: true, seen: await check.run(walk) });
  } catch (error) {
    rows.push({ name: check.name, ok: false, seen: error instanceof Error ? error.message : String(error) });
  }
}
progress.clear();

const width = Math.max(...rows.map(({ name }) => name.length));
for (const { name, ok, seen } of rows)
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(width)}  ${seen}\n`);
const passed = rows.filter(({ ok }) => ok).length;
process.stdout.write(`\nguide: ${passed} of ${rows.length} checks passed\n`);
process.exitCode = passed === rows.length ? 0 : 1;

/** `████····  4/18   3.1 s  describe svc nginxsvc shows the same  $ kubectl describe svc nginxsvc` */
function renderProgress(command = ''): string {
  const bar = '█'.repeat(rows.length).padEnd(guideChecks.length, '·');
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  return `${bar} ${String(rows.length).padStart(2)}/${guideChecks.length} ${seconds.padStart(5)} s  ${current}  ${command}`.trimEnd();
}

/** The nodes that the lab says it has. */
async function labNodes(): Promise<string[]> {
  const status = JSON.parse(await shell.weft('status', '--output', 'json')) as { nodes: { name: string }[] };
  return status.nodes.map(({ name }) => name);
}
