import t from 'tap';

import { listStaleFlows } from '../../../agent/services/flows.ts';
import type { CompiledService } from '../../../iptables/model.ts';
import { NftablesBackend } from '../../../iptables/nftables.ts';
import { deleteConntrack } from '../../conntrack.ts';
import { addresses, familyNames, TestNetwork } from '../../iptables/network.ts';
import type { FamilyName } from '../../iptables/network.ts';
import { doorOn } from '../../iptables/nft-door.ts';
import { skipUnlessRoot } from '../../root.ts';

const vips = { ipv4: '10.96.0.20', ipv6: 'fd00:10:96::20' };
const key = 'default/dns';
const settings = {
  clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
  serviceCIDRs: ['10.96.0.0/16', 'fd00:10:96::/112'],
  dnsIPs: [],
  podCIDRs: ['10.244.1.0/24', 'fd00:10:244:1::/64'],
  nodeIPs: [],
  nodePortAddresses: [],
};

function service(family: FamilyName, ...pods: ('pod2' | 'far')[]): CompiledService {
  const endpoints = pods.map((pod) => ({
    address: addresses[family][pod],
    port: 8080,
    local: pod !== 'far',
  }));
  const frontend = {
    family,
    protocol: 'udp',
    kind: 'clusterIP',
    address: vips[family],
    port: 53,
    name: key,
    whenEmpty: 'reject',
    endpoints,
  } as const;
  return { key, created: '', frontends: [frontend], problems: [] };
}

if (skipUnlessRoot(t)) {
  await using network = await TestNetwork.create('flows');
  const backend = new NftablesBackend(network.run, doorOn(network));
  for (const family of familyNames) {
    await network.serve('pod2', 'pod2', 'udp', addresses[family].pod2, 8080);
    await network.serve('peer', 'far', 'udp', addresses[family].far, 8080);
    await t.test(`${family}: a UDP client that keeps its port follows the Service`, async (t) => {
      const put = (to: CompiledService) =>
        backend.sync({ settings, services: new Map([[key, to]]) }, new Set([key]));
      const forget = (before: CompiledService, after: CompiledService): void => {
        network.onNode(() => {
          deleteConntrack(listStaleFlows(before, after, []));
        });
      };
      const ask = async (from: number): Promise<string | undefined> => {
        const answer = await network.ask('pod1', 'udp', vips[family], 53, { from });
        return answer.split(' ')[0];
      };
      const [near, far, both, none] = [
        service(family, 'pod2'),
        service(family, 'far'),
        service(family, 'pod2', 'far'),
        service(family),
      ];
      await put(near);
      t.equal(await ask(5300), 'pod2');
      await put(far);
      t.equal(await ask(5300), 'pod2', 'the kernel alone goes on as before');
      forget(near, far);
      t.equal(await ask(5300), 'far', 'the endpoint is gone: the client finds the next one');
      forget(both, far);
      t.equal(await ask(5300), 'far', 'flows to an endpoint that stays are left alone');
      await put(none);
      forget(far, none);
      t.equal(await ask(5300), 'ECONNREFUSED', 'no endpoint left: refused');
    });
  }
}
