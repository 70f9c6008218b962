import t from 'tap';

import { families } from '../../iptables/family.ts';
import { IptablesFamily } from '../../iptables/iptables-family.ts';
import type { Frontend, NodeSettings } from '../../iptables/model.ts';
import { skipUnlessRoot } from '../root.ts';
import { RuleNamespace } from './rule-namespace.ts';

const settings: NodeSettings = {
  clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
  serviceCIDRs: ['10.96.0.0/16', 'fd00:10:96::/112'],
  dnsIPs: [],
  podCIDRs: ['10.244.1.0/24', 'fd00:10:244:1::/64'],
  nodeIPs: [],
  nodePortAddresses: [],
};

/** Frontends with every kind of rule, in chains of their own and without. */
function frontendsOf({ family }: (typeof families)[number], port: number): Frontend[] {
  const four = family === 'ipv4';
  const endpoints = Array.from({ length: 9 }, (_, n) => ({
    address: four ? `10.244.1.${String(n + 2)}` : `fd00:10:244:1::${String(n + 2)}`,
    port,
    local: true,
  }));
  const common = { family, protocol: 'tcp', kind: 'externalIP', port: 80, name: 'ns/web:http' } as const;
  const to = (n: number): Pick<Frontend, 'endpoints' | 'whenEmpty'> => ({
    endpoints: endpoints.slice(0, n),
    whenEmpty: 'reject',
  });
  const address = four ? '203.0.113.7' : '2001:db8::7';
  return [
    { ...common, ...to(2), address },
    { ...common, ...to(9), address, port: 81, protocol: 'udp' },
    { ...common, ...to(3), address, port: 82, affinitySeconds: 10 },
    { ...common, ...to(3), address, port: 83, outside: endpoints.slice(0, 1), sourceRanges: [address] },
    { ...common, ...to(0), address, port: 84 },
    { ...common, ...to(2), kind: 'nodePort', address: undefined, port: 30_000, outside: [] },
  ];
}

if (skipUnlessRoot(t)) {
  for (const variant of ['nft', 'legacy'] as const) {
    await t.test(`${variant}: whether the kernel would refuse rules, asked without a change`, async (t) => {
      using namespace = new RuleNamespace(`iptables-${variant}`);
      for (const traits of families) {
        const family = new IptablesFamily(traits, variant, namespace.run);
        family.reset(settings);
        await family.apply();
        const save = async (): Promise<string> =>
          (await namespace.run(`${traits.command}-${variant}-save`, [])).replaceAll(
            /^#.*\n|\[\d+:\d+\]/gm,
            '',
          );
        const before = await save();
        t.match(before, /WEFT-SERVICES/);
        t.equal(await family.refuses(frontendsOf(traits, 8080)), false, traits.command);
        t.equal(await save(), before);
        t.equal(await family.refuses(frontendsOf(traits, 70_000)), true, 'a port that is none');
        t.equal(await save(), before);
      }
    });
  }
}
