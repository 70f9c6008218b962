import t from 'tap';

import { skipUnlessRoot } from '../root.ts';
import { settings } from './frontends.ts';
import { RuleNamespace } from './rule-namespace.ts';

/** A table with other objects, other chains, and one of ours with elements that nobody wants any more. */
const older = `table inet weft {
  map old-services { type ipv4_addr : mark; elements = { 192.0.2.7 : 5 }; }
  map old-classes { type mark : verdict; elements = { 5 : goto old-one }; }
  set cluster4 { typeof ip daddr; flags interval; elements = { 10.1.0.0/16 }; }
  chain old-one { ip daddr @cluster4 jump old-two; }
  chain old-two { meta mark set ip daddr map @old-services; }
  chain nat-prerouting { type nat hook prerouting priority dstnat; meta mark vmap @old-classes; }
}`;

if (skipUnlessRoot(t)) {
  await t.test("an older version's chains and objects go, whatever leads to them", async (t) => {
    using kernel = new RuleNamespace('nftables');
    const list = (): Promise<string> => kernel.run('nft', ['list', 'table', 'inet', 'weft']);
    await kernel.run('nft', ['-f', '-'], older);
    t.match(await list(), /old-one/);
    await kernel.load({ settings, services: new Map() });
    t.notMatch(await list(), /old-/);
    t.match(await list(), /set cluster4 \{[^}]*elements = \{ 10\.244\.0\.0\/16 \}/);
  });
}
