import t from 'tap';

import { listOrphanedFlows, listStaleFlows } from '../../../agent/services/flows.ts';
import type { CompiledService, Frontend } from '../../../iptables/model.ts';
import type { TrackedFlow } from '../../../netns/conntrack.ts';

const VIP = '10.96.0.20';
const NODE = '192.0.2.1';

function frontend(pods: string[], part: Partial<Frontend> = {}): Frontend {
  return {
    family: 'ipv4',
    protocol: 'udp',
    kind: 'clusterIP',
    address: VIP,
    port: 53,
    name: 'default/dns',
    whenEmpty: 'reject',
    endpoints: pods.map((address) => ({ address, port: 5353, local: false })),
    ...part,
  };
}

function service(...frontends: Frontend[]): CompiledService {
  return { key: 'default/dns', created: '', frontends, problems: [] };
}

const flows = (before: CompiledService | undefined, after: CompiledService | undefined): string[] =>
  listStaleFlows(before, after, [NODE, '2001:db8::1']).map(
    ({ family, protocol, origDst = 'any', origDstPort, replySrc }) =>
      `${family} ${protocol} ${origDst}:${String(origDstPort)} from ${String(replySrc)}`,
  );

const nodePort = { kind: 'nodePort', address: undefined, port: 30_053 } as const;

t.strictSame(flows(service(frontend(['a', 'b'])), service(frontend(['a', 'b']))), [], 'nothing changed');
t.strictSame(
  flows(service(frontend(['a', 'b'])), service(frontend(['a', 'c']))),
  [`ipv4 udp ${VIP}:53 from b`],
  'an endpoint that is gone, no other',
);
t.strictSame(
  flows(service(frontend(['a', 'b'])), service(frontend([]))),
  [`ipv4 udp ${VIP}:53 from a`, `ipv4 udp ${VIP}:53 from b`],
  'down to none',
);
t.strictSame(
  flows(service(frontend(['a'])), undefined),
  [`ipv4 udp ${VIP}:53 from a`],
  'the Service is deleted',
);
t.strictSame(
  flows(service(frontend([])), service(frontend(['a']))),
  [`ipv4 udp ${VIP}:53 from ${VIP}`],
  'from none: who was not rewritten before',
);
t.strictSame(
  flows(undefined, service(frontend(['a'], nodePort))),
  [`ipv4 udp any:30053 from ${NODE}`],
  "a NodePort: the node's own answers, of the same family",
);
t.strictSame(flows(service(frontend(['a'], nodePort)), service(frontend(['b'], nodePort))), [
  'ipv4 udp any:30053 from a',
]);
t.strictSame(
  flows(service(frontend(['a'], { protocol: 'tcp' })), undefined),
  [],
  'TCP connections live on and end by themselves',
);
t.strictSame(
  flows(service(frontend(['a', 'b'], { outside: [] })), service(frontend(['a'], { outside: [] }))),
  [`ipv4 udp ${VIP}:53 from b`],
);

t.test('flows that an agent finds when it starts', (t) => {
  const places = {
    serviceCIDRs: ['10.96.0.0/16', 'fd00:10:96::/112'],
    clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
    nodeIPs: [NODE, '2001:db8::1'],
  };
  const services = [service(frontend(['10.244.1.2']), frontend(['10.244.1.2'], nodePort))];
  const isStale = (origDst: string, origDstPort: number, replySrc: string, replySrcPort = 5353): boolean => {
    const family = origDst.includes(':') ? 'ipv6' : 'ipv4';
    const flow: TrackedFlow = { family, origDst, origDstPort, replySrc, replySrcPort };
    const filters = listOrphanedFlows([flow, flow], services, places);
    if (filters.length > 0)
      t.strictSame(filters, [{ family, protocol: 'udp', origDst, origDstPort, replySrc }]);
    return filters.length > 0;
  };
  t.notOk(isStale(VIP, 53, '10.244.1.2'), 'to an endpoint that serves');
  t.ok(isStale(VIP, 53, '10.244.1.9'), 'to one that is gone');
  t.ok(isStale(VIP, 53, '10.244.1.2', 5454), 'to a port that is gone');
  t.ok(isStale(VIP, 53, VIP, 53), 'not rewritten, though the Service is served');
  t.notOk(isStale(NODE, 30_053, '10.244.1.2'));
  t.ok(isStale(NODE, 30_053, '10.244.1.9'), 'by NodePort');
  t.notOk(isStale('192.0.2.99', 30_053, '10.244.1.9'), 'the same port of another host is not ours');
  t.ok(isStale('10.96.0.21', 53, '10.244.1.2'), 'of a Service that is deleted');
  t.ok(isStale('fd00:10:96::21', 53, 'fd00:10:244::2'));
  t.ok(isStale(NODE, 30_054, '10.244.1.2'), 'of a NodePort that is deleted');
  t.notOk(isStale(NODE, 30_054, NODE, 30_054), "the node's own listener");
  t.notOk(isStale(NODE, 5000, '172.17.0.2'), "somebody else's rewriting");
  t.notOk(isStale('198.51.100.1', 53, '198.51.100.1', 53), 'traffic that is none of ours');
  t.end();
});
