/** Runs a soak by its name and exits non-zero when something is wrong. Usage: main.ts NAME [ARGUMENT...]. See scripts/soak. */
import { soakFaults } from './cni-faults.ts';
import { soakLeaks } from './cni-leaks.ts';
import { checkLimits } from './dns-flood.ts';
import { fuzz } from './dns-fuzz.ts';
import { soakRestarts } from './dns-restart.ts';
import { soakHostPrograms } from './host-programs.ts';

/** Each prints what it finds and resolves with what is wrong. */
const soaks: Readonly<Record<string, (...args: string[]) => Promise<readonly string[]>>> = {
  'cni-leaks': soakLeaks,
  'cni-faults': soakFaults,
  'dns-fuzz': fuzz,
  'dns-flood': checkLimits,
  'dns-restart': soakRestarts,
  'host-programs': soakHostPrograms,
};

const name = process.argv[2] ?? '';
const soak = soaks[name];
if (!soak) {
  process.stderr.write(`usage: scripts/soak NAME, where NAME is one of: ${Object.keys(soaks).join(', ')}\n`);
  process.exit(2);
}
const wrong = await soak(...process.argv.slice(3));
for (const reason of wrong) process.stdout.write(`WRONG: ${reason}\n`);
process.stdout.write(`${name}: ${wrong.length === 0 ? 'nothing is wrong' : `${wrong.length} wrong`}\n`);
process.exitCode = wrong.length > 0 ? 1 : 0;
