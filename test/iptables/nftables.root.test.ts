import t from 'tap';

import { NftablesBackend } from '../../iptables/nftables.ts';
import { skipUnlessRoot } from '../root.ts';
import { runContract } from './contract.ts';

if (skipUnlessRoot(t)) {
  await runContract(t, {
    name: 'nftables',
    make: (run) => new NftablesBackend(run),
    foreign: {
      add: ['nft', 'add table inet stranger { chain c { counter; }; }'],
      list: ['nft', 'list', 'table', 'inet', 'stranger'],
      expect: /counter/,
    },
    damages: [
      ['nft', 'flush chain inet weft services'],
      ['nft', 'flush map inet weft services4'],
      ['nft', 'delete table inet weft'],
    ],
  });
}
