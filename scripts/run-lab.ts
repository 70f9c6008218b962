import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const weft = join(import.meta.dirname, '../bin/weft');

/** Runs `weft lab --name LAB …` and returns its standard output. @throws Error with what it said on standard error */
export function runLab(lab: string, ...args: string[]): string {
  return execFileSync(weft, ['lab', '--name', lab, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
