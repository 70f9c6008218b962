import t from 'tap';
import { nodes } from '../../../../api/client/resources.ts';
import { listKubectls } from '../../../kubectls.ts';
import { startServer } from '../fixture.ts';
import { Judge } from './judge.ts';
import type { Check } from './judge.ts';

const patch = (fields: object): string => `patch node node2 -p '${JSON.stringify({ spec: fields })}'`;
const refused = { code: 1 };
const taken = (field: string, cidr: string, by: string): RegExp =>
  new RegExp(
    `Node "node2" is invalid: spec.podCIDRs\\[${field}\\]: Invalid value: "${cidr}": ` +
      `overlaps with ${by}, which is the podCIDR of node node1`,
  );

const checks: readonly Check[] = [
  [patch({ podCIDR: '10.244.1.0/24' }), taken('0', '10.244.1.0/24', '10.244.1.0/24'), refused],
  [patch({ podCIDR: '10.244.1.192/26' }), taken('0', '10.244.1.192/26', '10.244.1.0/24'), refused],
  [
    patch({ podCIDRs: ['10.244.2.0/24', 'fd00:10:244::/56'] }),
    taken('1', 'fd00:10:244::/56', 'fd00:10:244:1::/64'),
    refused,
  ],
  [
    patch({ podCIDR: '10.244.2.0' }),
    /spec.podCIDRs\[0\]: Invalid value: "10.244.2.0": must be a valid CIDR value, \(e.g. 10.9.8.0\/24 or 2001:db8::\/64\)/,
    refused,
  ],
  [patch({ podCIDRs: ['10.244.2.0/24', 'fd00:10:244:2::/64'] }), 'node/node2 patched'],
  [
    patch({ podCIDR: '10.244.3.0/24' }),
    /spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid/,
    refused,
  ],
  ['delete node node1', /node "node1" deleted/],
  ['create -f node3.yaml', 'node/node3 created'],
];

for (const kubectl of listKubectls()) {
  t.test(`kubectl ${kubectl.version} and nodes' ranges`, async (t) => {
    const { client, server } = await startServer(t);
    const podCIDRs = ['10.244.1.0/24', 'fd00:10:244:1::/64'];
    await client.create(nodes, { metadata: { name: 'node1' }, spec: { podCIDRs } });
    await client.create(nodes, { metadata: { name: 'node2' } });
    const manifest = 'apiVersion: v1\nkind: Node\nmetadata: {name: node3}\nspec: {podCIDR: 10.244.0.0/23}\n';
    const judge = await Judge.start(t, kubectl, server.adminKubeconfigPath, { 'node3.yaml': manifest });
    await judge.check(t, checks);
  });
}
