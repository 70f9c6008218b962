/**
 * The short form of `scripts/soak host-programs`: firewalls of Debian's, running for real. By direct routes there is the
 * most to let through: pods' packets come bare, and those of other nodes' NodePorts with a node's address.
 */
import t from 'tap';
import { checkHostPrograms } from '../../scripts/soaks/host-programs.ts';
import { diffMachineState, readMachineState } from '../../rig/residue.ts';
import { skipUnlessRoot } from '../root.ts';

if (skipUnlessRoot(t)) {
  t.test('firewalld and ufw stop no packets of pods once the doctor was followed', async (t) => {
    const before = readMachineState();
    const wrong = await checkHostPrograms({
      lab: 'host-test',
      backend: 'iptables',
      networkMode: 'direct',
      isThorough: false,
      runs: [
        { program: 'firewalld', first: 'program' },
        { program: 'ufw', first: 'weft' },
      ],
      report: (line) => t.comment(line),
    });
    t.same(wrong, []);
    t.same(diffMachineState(before, readMachineState()), []);
  });
}
