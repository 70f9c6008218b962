import t from 'tap';

import { IptablesBackend } from '../../iptables/iptables.ts';
import { skipUnlessRoot } from '../root.ts';
import { runContract } from './contract/contract.ts';
import { forgetRecentDns } from './contract/subject.ts';

if (skipUnlessRoot(t)) {
  await runContract(t, {
    name: 'iptables-legacy',
    make: ({ run }) => new IptablesBackend('legacy', run),
    list: { ipv4: ['iptables-legacy-save'], ipv6: ['ip6tables-legacy-save'] },
    foreign: {
      add: ['iptables-legacy', '-t', 'nat', '-A', 'PREROUTING', '-p', 'tcp', '--dport', '7', '-j', 'ACCEPT'],
      list: ['iptables-legacy', '-t', 'nat', '-S'],
      expect: /-A PREROUTING -p tcp -m tcp --dport 7 -j ACCEPT/,
    },
    forwardPolicy: {
      ipv4: ['iptables-legacy', '-P', 'FORWARD'],
      ipv6: ['ip6tables-legacy', '-P', 'FORWARD'],
    },
    forgetDeaf: forgetRecentDns,
    damages: (family) => {
      const program = family === 'ipv4' ? 'iptables-legacy' : 'ip6tables-legacy';
      return [
        [program, '-t', 'nat', '-F', 'WEFT-SERVICES'],
        [program, '-t', 'nat', '-D', 'OUTPUT', '1'],
        [program, '-t', 'filter', '-F'],
      ];
    },
  });
}
