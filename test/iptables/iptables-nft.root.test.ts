import t from 'tap';

import { IptablesBackend } from '../../iptables/iptables.ts';
import { skipUnlessRoot } from '../root.ts';
import { runContract } from './contract/contract.ts';
import { forgetRecentDns } from './contract/subject.ts';

if (skipUnlessRoot(t)) {
  await runContract(t, {
    name: 'iptables-nft',
    make: ({ run }) => new IptablesBackend('nft', run),
    list: { ipv4: ['iptables-nft-save'], ipv6: ['ip6tables-nft-save'] },
    foreign: {
      add: ['iptables-nft', '-t', 'nat', '-A', 'PREROUTING', '-p', 'tcp', '--dport', '7', '-j', 'ACCEPT'],
      list: ['iptables-nft', '-t', 'nat', '-S'],
      expect: /-A PREROUTING -p tcp -m tcp --dport 7 -j ACCEPT/,
    },
    forwardPolicy: {
      ipv4: ['iptables-nft', '-P', 'FORWARD'],
      ipv6: ['ip6tables-nft', '-P', 'FORWARD'],
    },
    forgetDeaf: forgetRecentDns,
    damages: (family) => {
      const program = family === 'ipv4' ? 'iptables-nft' : 'ip6tables-nft';
      return [
        [program, '-t', 'nat', '-F', 'WEFT-SERVICES'],
        [program, '-t', 'nat', '-D', 'OUTPUT', '1'],
        [program, '-t', 'filter', '-F'],
      ];
    },
  });
}
