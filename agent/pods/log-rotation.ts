import * as fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { reopenLog } from './conmon-control.ts';

/** The kubelet's containerLogMaxSize and containerLogMaxFiles. */
const largestBytes = 10 * 2 ** 20;
const mostFiles = 5;

/**
 * Moves a log that is too large aside (`0.log` → `0.log.20260102-030405`), has conmon open a new one and removes
 * the oldest. Returns whether it did.
 */
export function rotateLog(log: string, bundle: string, limitBytes = largestBytes): boolean {
  const found = fs.statSync(log, { throwIfNoEntry: false });
  if (!found || found.size < limitBytes) return false;
  const stamp = new Date()
    .toISOString()
    .replaceAll(/[-:]|\.\d+Z/g, '')
    .replace('T', '-');
  fs.renameSync(log, `${log}.${stamp}`);
  reopenLog(bundle);
  for (const old of listRotated(log).slice(0, -(mostFiles - 1))) fs.rmSync(old);
  return true;
}

/** The rotated files of a log, oldest first. */
export function listRotated(log: string): string[] {
  const dir = dirname(log);
  if (!fs.existsSync(dir)) return [];
  const prefix = `${basename(log)}.`;
  return fs
    .readdirSync(dir)
    .filter((name) => name.startsWith(prefix))
    .sort()
    .map((name) => join(dir, name));
}
