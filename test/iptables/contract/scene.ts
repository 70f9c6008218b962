import type { Test } from 'tap';

import { SharedValues } from '../../../agent/shared-values.ts';
import { trimService, trimSlice } from '../../../agent/trim.ts';
import { compileHostPorts, hostPortKey, servingAddresses } from '../../../agent/host-ports/compile.ts';
import type { HostPort } from '../../../api/kinds/host-ports.ts';
import { listStaleFlows } from '../../../agent/services/flows.ts';
import { DnsFallback, dnsFallbackKey } from '../../../agent/services/dns-fallback.ts';
import { compileContext, nodeSettings } from '../../../agent/services/view.ts';
import type { AgentContext } from '../../../agent/subsystem.ts';
import type { Node } from '../../../api/kinds/node.ts';
import type { Backend, SyncResult } from '../../../iptables/backend.ts';
import type { CompiledService, NodeSettings, Ruleset } from '../../../iptables/model.ts';
import { compileService } from '../../../iptables/services.ts';
import { deleteConntrack } from '../../conntrack.ts';
import { FakeCache } from '../../../rig/fake-cache.ts';
import { addresses } from '../network.ts';
import type { FamilyName, Place, TestNetwork } from '../network.ts';
import { servedPort, serviceOf, slicesOf, vips } from './objects.ts';
import type { Draft } from './objects.ts';
import type { Subject } from './subject.ts';

/** The families a cluster and its Services can have. */
export const stacks = {
  ipv4: ['ipv4'],
  ipv6: ['ipv6'],
  'dual-stack': ['ipv4', 'ipv6'],
} as const satisfies Record<string, readonly FamilyName[]>;
export type Stack = keyof typeof stacks;

export type Transport = 'tcp' | 'udp';

/**
 * One question and its answer: who asks, what (`web:80` is port 80 of the Service web at its clusterIP,
 * `web/balancer:80` at its load balancer address, `node:30080` a port of a {@link Place}, `unallocated:80` of a Service
 * address nobody has), what comes back (`far sees pod1`, `refused`, or `nothing`), and what that shows.
 */
export type Question = readonly [from: Place, to: string, gets: string, why: string];

/** The cluster's ranges. */
export const ranges = {
  ipv4: { cluster: '10.244.0.0/16', service: '10.96.0.0/16', pods: ['10.244.1.0/24', '10.244.2.0/24'] },
  ipv6: {
    cluster: 'fd00:10:244::/56',
    service: 'fd00:10:96::/112',
    pods: ['fd00:10:244:1::/64', 'fd00:10:244:2::/64'],
  },
} as const;

const loopbacks = { ipv4: '127.0.0.1', ipv6: '::1' } as const;
/** Long enough for a packet that comes, short enough to wait for one that does not. */
const nothingMs = 400;
const patientMs = 10_000;

/** A node under test: its network, its rules, and the Services of the cluster. */
export class Scene {
  readonly network: TestNetwork;
  readonly subject: Subject;
  backend: Backend;
  families: readonly FamilyName[] = [];
  /** As the agent's configuration has it. */
  nodePortAddresses: readonly string[] = [];
  nonMasqueradeCIDRs: readonly string[] = [];
  readonly services = new Map<string, CompiledService>();
  readonly #shared = new SharedValues();
  #peerReady = false;
  readonly #numbers = new Map<string, number>();
  #next = 20;

  constructor(network: TestNetwork, subject: Subject) {
    this.network = network;
    this.subject = subject;
    this.backend = subject.make(network);
  }

  /** Makes it a cluster of these families. */
  async use(stack: Stack): Promise<void> {
    this.families = stacks[stack];
    this.#numbers.clear();
    await this.backend.sync(this.rules());
  }

  rules(): Ruleset {
    return { settings: this.settings(), services: this.services };
  }

  /** What the agent would make of its configuration and the Node objects. */
  settings(): NodeSettings {
    return nodeSettings(this.#agent(), true);
  }

  /** Programs Services as the agent does: compiled from what it keeps of their objects, then flows gone stale are forgotten. */
  async put(...drafts: readonly Draft[]): Promise<SyncResult> {
    return this.#change(new Map(drafts.map((draft) => [`default/${draft.name}`, this.compile(draft)])));
  }

  async drop(...names: readonly string[]): Promise<void> {
    await this.#change(new Map(names.map((name) => [`default/${name}`, undefined])));
  }

  /** Gives a pod ports of the node instead of those it had. */
  async claim(pod: 'pod1' | 'pod2', ...ports: readonly HostPort[]): Promise<void> {
    const local = this.families.flatMap((family) => {
      const { node, also, bridge, dns } = addresses[family];
      return [node, also, bridge, dns, loopbacks[family]];
    });
    const ips = this.families.map((family) => addresses[family][pod]);
    const serving = servingAddresses(local, this.settings());
    await this.#change(new Map([[hostPortKey(pod), compileHostPorts({ id: pod, ips, ports }, serving)]]));
  }

  /** Makes the other node Ready or not, which is who answers DNS while this node does not. */
  async makePeer(ready: boolean): Promise<void> {
    this.#peerReady = ready;
    await this.#change(new Map([[dnsFallbackKey, new DnsFallback(this.#agent()).compile()]]));
  }

  /** Another agent process takes over: it knows nothing and reads the kernel. */
  async restart(): Promise<SyncResult> {
    this.backend = this.subject.make(this.network);
    return this.backend.sync(this.rules());
  }

  compile(draft: Draft): CompiledService | undefined {
    const service = serviceOf(draft, this.numberOf(draft.name), this.families);
    const slices = slicesOf(draft, service, this.families).map((slice) => trimSlice(slice, this.#shared));
    return compileService(trimService(service, this.#shared), slices, compileContext(this.#agent()));
  }

  /** Asks all at once, in every family and over both protocols unless told otherwise. */
  async ask(
    t: Test,
    questions: readonly Question[],
    protocols: readonly Transport[] = ['tcp', 'udp'],
  ): Promise<void> {
    const asked = this.families.flatMap((family) =>
      protocols.flatMap((protocol) =>
        questions.map(async ([from, to, gets, why]) => {
          const { address, port } = this.locate(family, to);
          const timeoutMs = gets === 'nothing' ? nothingMs : patientMs;
          const answer = await this.network.ask(from, protocol, address, port, { timeoutMs });
          return {
            got: this.describe(family, answer),
            gets,
            line: `${family} ${protocol} ${from} → ${to}: ${why}`,
          };
        }),
      ),
    );
    for (const { got, gets, line } of await Promise.all(asked)) t.equal(got, gets, line);
  }

  /** The answers to one question asked many times at once, by family. */
  async collect(
    from: Place,
    to: string,
    count: number,
    protocol: Transport = 'tcp',
  ): Promise<{ readonly family: FamilyName; readonly answers: string[] }[]> {
    return Promise.all(
      this.families.map(async (family) => {
        const { address, port } = this.locate(family, to);
        const ask = (): Promise<string> =>
          this.network.ask(from, protocol, address, port, { timeoutMs: patientMs });
        const answers = await Promise.all(Array.from({ length: count }, ask));
        return { family, answers: answers.map((answer) => this.describe(family, answer)) };
      }),
    );
  }

  /** Where a question goes to. */
  locate(family: FamilyName, to: string): { address: string; port: number } {
    const [, name = '', kind = 'cluster', port] = /^([\w-]+)(?:\/(\w+))?:(\d+)$/.exec(to) ?? [];
    if (port === undefined) throw new TypeError(`not a question's target: ${to}`);
    return { address: this.#addressOf(family, name, kind), port: Number(port) };
  }

  /** The number that a Service's addresses are made of. */
  numberOf(name: string): number {
    const number = this.#numbers.get(name) ?? this.#next++;
    this.#numbers.set(name, number);
    return number;
  }

  /** `far 10.244.1.2` → `far sees pod1`. */
  describe(family: FamilyName, answer: string): string {
    if (answer === 'ECONNREFUSED') return 'refused';
    if (answer === 'timeout') return 'nothing';
    const [name = '', source = ''] = answer.split(' ');
    if (source === '') return answer;
    if (source === loopbacks[family]) return `${name} sees loopback`;
    const known = Object.entries(addresses[family]).find(([, address]) => address === source);
    return `${name} sees ${known?.[0] ?? source}`;
  }

  #addressOf(family: FamilyName, name: string, kind: string): string {
    if (name === 'loopback') return loopbacks[family];
    if (name === 'unallocated') return vips[family].cluster(250);
    if (name in addresses[family]) return addresses[family][name as Place];
    if (kind !== 'cluster' && kind !== 'external' && kind !== 'balancer') {
      throw new TypeError(`Services have no address of the kind ${kind}`);
    }
    return vips[family][kind](this.numberOf(name));
  }

  async #change(compiled: ReadonlyMap<string, CompiledService | undefined>): Promise<SyncResult> {
    const before = new Map([...compiled.keys()].map((key) => [key, this.services.get(key)]));
    for (const [key, service] of compiled) {
      if (service) this.services.set(key, service);
      else this.services.delete(key);
    }
    const result = await this.backend.sync(this.rules(), new Set(compiled.keys()));
    for (const [key, reason] of result.refused) if (compiled.has(key)) throw reason;
    const { nodeIPs } = this.settings();
    const stale = [...compiled].flatMap(([key, after]) => listStaleFlows(before.get(key), after, nodeIPs));
    this.network.onNode(() => deleteConntrack(stale));
    return result;
  }

  /** As much of an agent as decides about rules. */
  #agent(): AgentContext {
    const { families } = this;
    const nodes = new FakeCache<Node>(({ metadata }) => metadata.name);
    for (const [index, place] of (['node', 'peer'] as const).entries()) {
      nodes.set({
        metadata: { name: `node${String(index + 1)}`, labels: { 'topology.kubernetes.io/zone': place } },
        spec: { podCIDRs: families.map((family) => ranges[family].pods[index] ?? '') },
        status: {
          addresses: families.map((family) => ({ type: 'InternalIP', address: addresses[family][place] })),
          conditions: [{ type: 'Ready', status: place === 'node' || this.#peerReady ? 'True' : 'Unknown' }],
        },
      });
    }
    return {
      nodeName: 'node1',
      config: {
        nodeIPs: families.map((family) => addresses[family].node),
        externalIPs: [],
        nodePortAddresses: this.nodePortAddresses,
        nonMasqueradeCIDRs: this.nonMasqueradeCIDRs,
        vxlan: { port: servedPort },
      },
      cluster: {
        clusterCIDRs: families.map((family) => ranges[family].cluster),
        serviceCIDRs: families.map((family) => ranges[family].service),
        dnsIPs: families.map((family) => addresses[family].dns),
        loadBalancerPools: [],
      },
      caches: { nodes },
    } as unknown as AgentContext;
  }
}

/** One test of the contract; it leaves no Service behind. */
export interface Part {
  readonly title: string;
  run(t: Test, scene: Scene): Promise<void>;
}
