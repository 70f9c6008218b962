/**
 * Tells, as JSON, whether it runs in a chroot; with the path of a program to write, also what it is like in the root
 * that this program gives to what it runs.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isChrooted, writeRootedRunc } from '../../../agent/pods/real-root.ts';

const [file, program] = process.argv.slice(1);
const mark = readFileSync('/mark', 'utf8');
if (program === undefined) {
  process.stdout.write(JSON.stringify({ chrooted: isChrooted(), mark }));
} else {
  writeRootedRunc(program, process.execPath);
  const inside: unknown = JSON.parse(
    execFileSync(program, ['--no-warnings', file ?? ''], { encoding: 'utf8' }),
  );
  process.stdout.write(JSON.stringify({ chrooted: isChrooted(), mark, inside }));
}
