import t from 'tap';

import { listStaleFlows } from '../../../agent/services/flows.ts';
import type { CompiledService, Frontend } from '../../../iptables/model.ts';

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
  return { key: 'default/dns', created: '', frontends, localEndpoints: 0, problems: [] };
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
