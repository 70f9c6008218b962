/** Measures attaching pods in this process's network namespace and sends its parent the times in ms. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { NetworkView } from '../../agent/network/view.ts';
import { planNetwork } from '../../agent/network/desired.ts';
import { ownership } from '../../agent/network/marks.ts';
import { PodNetwork } from '../../agent/network/pod-network.ts';
import { ensureState } from '../../netns/apply.ts';
import { createLink, setLink } from '../../netns/link.ts';
import { createNamespace, removeNamespace } from '../../netns/namespace.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';

/** Times of each repetition in ms. */
export interface AttachTimes {
  readonly attach: readonly number[];
  readonly detach: readonly number[];
  /** The least that a kernel does for a pod: a namespace, and a veth born into it. */
  readonly floor: readonly number[];
  /** iproute2 doing all of it in one shell. */
  readonly iproute2: readonly number[];
}

const pods = 200;
const peers = 20;
const prefix = `bench${process.pid}`;

const view: NetworkView = {
  nodeName: 'bench',
  nodeIPs: ['127.0.0.1'],
  nodes: [
    {
      name: 'bench',
      created: '',
      podCIDRs: ['10.244.0.0/16', 'fd00:10:244::/64'],
      internalIPs: ['127.0.0.1'],
    },
  ],
  dnsIPs: [],
  vxlan: { port: 8472, vni: 117 },
  mode: 'auto',
  podLink: 'bridge',
  underlay: { name: 'lo', mtu: 1500, acceptsRouters: false, strictLinks: [], subnets: [] },
  pods: [],
  pathMtus: new Map(),
  proven: new Set<string>(),
  withoutIPv6: false,
};

async function measure(count: number, action: (i: number) => unknown): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const startedAt = performance.now();
    await action(i);
    times.push(performance.now() - startedAt);
  }
  return times;
}

async function measurePods(stateDir: string): Promise<Pick<AttachTimes, 'attach' | 'detach'>> {
  const { state, pods: plan } = planNetwork(view);
  if (!plan) throw new Error('the benchmark has no pod range');
  using socket = new NetlinkSocket();
  const [error] = ensureState(socket, state, ownership, { prune: true }).errors;
  if (error) throw error;
  const context = {
    nodeName: 'bench',
    metrics: new Registry(),
    log: pino({ level: 'silent' }),
    config: { stateDir },
  };
  const network = new PodNetwork(context);
  network.configure(plan);
  const id = (i: number): string => `${prefix}-${i}`;
  const attach = await measure(pods, (i) => network.attach({ id: id(i) }));
  const detach = await measure(pods, (i) => network.detach(id(i)));
  return { attach, detach };
}

async function measureFloor(): Promise<number[]> {
  using socket = new NetlinkSocket();
  const times = await measure(peers, (i) => {
    using namespace = createNamespace(`weft-${prefix}-floor${i}`);
    const peer = { name: 'eth0', namespaceFd: namespace.fd };
    socket.request([createLink(`floor${i}`, { kind: 'veth', peer }), setLink(`floor${i}`, { up: true })]);
  });
  for (let i = 0; i < peers; i += 1) removeNamespace(`weft-${prefix}-floor${i}`);
  return times;
}

async function measureIproute2(): Promise<number[]> {
  const times = await measure(peers, (i) => {
    const name = `weft-${prefix}-ip${i}`;
    const script = `set -e
      ip netns add ${name}
      ip link add ip${i} mtu 1450 master weft0 type veth peer name eth0 mtu 1450 netns ${name}
      ip link set ip${i} up type bridge_slave isolated on
      ip -n ${name} -batch - <<-END
	link set lo up
	link set eth0 up
	address add 10.245.0.${i + 1}/32 dev eth0
	route add default via 10.244.0.1 dev eth0 onlink
	END`;
    execFileSync('sh', ['-c', script]);
  });
  for (let i = 0; i < peers; i += 1) removeNamespace(`weft-${prefix}-ip${i}`);
  return times;
}

const stateDir = mkdtempSync(path.join(tmpdir(), 'weft-bench-'));
try {
  const measured = await measurePods(stateDir);
  const times: AttachTimes = { ...measured, iproute2: await measureIproute2(), floor: await measureFloor() };
  process.send?.(times);
} finally {
  rmSync(stateDir, { recursive: true });
}
process.disconnect();
