import t from 'tap';

import { NftablesBackend } from '../../iptables/nftables.ts';
import { skipUnlessRoot } from '../root.ts';
import { runContract } from './contract/contract.ts';
import { doorOn } from './nft-door.ts';

if (skipUnlessRoot(t)) {
  await runContract(t, {
    name: 'nftables',
    make: (network) => new NftablesBackend(network.run, doorOn(network)),
    list: { ipv4: ['nft', 'list', 'ruleset', 'inet'], ipv6: ['nft', 'list', 'ruleset', 'inet'] },
    foreign: {
      add: ['nft', 'add table inet stranger { chain c { counter; }; }'],
      list: ['nft', 'list', 'table', 'inet', 'stranger'],
      expect: /counter/,
    },
    forgetDeaf: (family) => ['nft', `flush set inet weft dns-deaf${family === 'ipv4' ? '4' : '6'}`],
    damages: (family) => [
      ['nft', 'flush chain inet weft services'],
      ['nft', `flush map inet weft services${family === 'ipv4' ? '4' : '6'}`],
      ['nft', 'delete table inet weft'],
    ],
  });
}
