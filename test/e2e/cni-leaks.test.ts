/** The short form of `scripts/soak cni-leaks`. */
import t from 'tap';
import { leakRounds } from '../../scripts/soaks/cni-leaks.ts';
import { diffMachineState, readMachineState } from '../../rig/residue.ts';
import { skipUnlessRoot } from '../root.ts';

if (skipUnlessRoot(t)) {
  t.test(
    'agents and plugins that are killed leak nothing that a garbage collection does not find',
    async (t) => {
      const before = readMachineState();
      const lines: string[] = [];
      const report = (line: string): void => void lines.push(line);
      const kind = { backend: 'iptables-nft', podLink: 'bridge' } as const;
      const options = { lab: 'leaks-test', kind, seed: 1, rounds: 10, containers: 20, report };
      t.same(await leakRounds(options), []);
      for (const line of lines) t.comment(line);
      t.same(diffMachineState(before, readMachineState()), []);
    },
  );
}
