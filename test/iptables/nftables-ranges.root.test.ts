import t from 'tap';

import type { NodeSettings } from '../../iptables/model.ts';
import { skipUnlessRoot } from '../root.ts';
import { RuleNamespace } from './rule-namespace.ts';

const settings: NodeSettings = {
  clusterCIDRs: ['10.244.0.0/16'],
  serviceCIDRs: ['10.96.0.0/16'],
  dnsIPs: ['10.96.0.10'],
  podCIDRs: ['10.244.1.0/24'],
  nodeIPs: ['192.0.2.1', '192.0.2.3'],
  nodePortAddresses: ['192.0.2.0/24'],
};

/** One change after the other, and what `nft list` then shows of one set. */
const steps: readonly (readonly [set: string, change: Partial<NodeSettings>, shown: string])[] = [
  ['stays4', {}, '10.96.0.0/16, 10.244.0.0/16, 192.0.2.1, 192.0.2.3, 224.0.0.0/4'],
  ['stays4', { nodeIPs: ['192.0.2.3'] }, '10.96.0.0/16, 10.244.0.0/16, 192.0.2.3, 224.0.0.0/4'],
  ['stays4', { clusterCIDRs: [], serviceCIDRs: [], podCIDRs: [], nodeIPs: [] }, '224.0.0.0/4'],
  ['service-ranges4', { serviceCIDRs: ['10.96.0.0/12'] }, '10.96.0.0/12'],
  ['nodeport-addresses4', { nodePortAddresses: ['192.0.2.0/25'] }, '192.0.2.0/25'],
  ['nodeport-addresses4', { nodePortAddresses: ['192.0.2.0/24'] }, '192.0.2.0/24'],
  [
    'nodeport-addresses4',
    { nodePortAddresses: ['192.0.2.0/25', '192.0.2.128/25'] },
    '192.0.2.0/25, 192.0.2.128/25',
  ],
  ['nodeport-addresses4', { nodePortAddresses: ['192.0.2.128/25'] }, '192.0.2.128/25'],
];

if (skipUnlessRoot(t)) {
  for (const restart of [false, true]) {
    await t.test(restart ? 'after a restart' : 'while it runs', async (t) => {
      using kernel = new RuleNamespace('nftables');
      for (const [set, change, shown] of steps) {
        if (restart) kernel.restart();
        await kernel.load({ settings: { ...settings, ...change }, services: new Map() });
        const text = await kernel.run('nft', ['list', 'set', 'inet', 'weft', set]);
        const [, elements = ''] = /elements = \{ ([^}]*) \}/.exec(text) ?? [];
        t.equal(elements.replaceAll(/\s+/g, ' '), shown, `${set}: ${JSON.stringify(change)}`);
      }
    });
  }
}
