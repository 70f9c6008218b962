import { join } from 'node:path';
import type { AgentConfig } from '../config/config.ts';

/** Where labs live; a real installation's own state is beside them. */
export const labsStateDir = '/var/lib/weft/labs';
export const labsRunDir = '/run/weft/labs';

/** What a lab was asked to be; kept in its `lab.json`. */
export interface LabSettings {
  readonly name: string;
  readonly nodes: number;
  readonly backend: 'iptables' | 'nftables';
  /** How packets reach pods of other nodes. */
  readonly networkMode: AgentConfig['networkMode'];
  /** What joins the pods of a node. */
  readonly podLink: AgentConfig['podLink'];
  /** Port on the machine's 127.0.0.1 at which kubectl reaches the API. */
  readonly apiPort: number;
}

/** One network namespace that stands for a machine. */
export interface LabHost {
  readonly name: string;
  /** Name of its network namespace. */
  readonly namespace: string;
  /** Its addresses in the lab's network, IPv4 first. */
  readonly addresses: readonly string[];
  readonly stateDir: string;
  readonly runDir: string;
}

/** Names, addresses and directories of a lab; follows from its settings alone. */
export interface LabPlan {
  readonly settings: LabSettings;
  readonly stateDir: string;
  readonly runDir: string;
  /** The namespace that holds the switch the hosts are plugged into. */
  readonly switchNamespace: string;
  readonly nodes: readonly LabHost[];
  /** The host outside the cluster, and everybody's default gateway; behind it there is nothing. */
  readonly outside: LabHost;
  /** Kubeconfig for the machine itself, through 127.0.0.1. */
  readonly kubeconfig: string;
}

/** Both families' prefix lengths of the lab's network, in the order of {@link LabHost.addresses}. */
export const labPrefixes = [24, 64] as const;
export const apiPort = 6443;
/** What the lab's Services of type LoadBalancer are given: in the lab's network, where a node announces each. */
export const labPools = ['172.30.0.224/28', 'fd00:172:30::1:0/124'] as const;

function addressesOf(number: number): string[] {
  return [`172.30.0.${number}`, `fd00:172:30::${number}`];
}

export function planLab(settings: LabSettings): LabPlan {
  const stateDir = join(labsStateDir, settings.name);
  const runDir = join(labsRunDir, settings.name);
  const host = (name: string, number: number): LabHost => ({
    name,
    namespace: `weft-${settings.name}-${name}`,
    addresses: addressesOf(number),
    stateDir: join(stateDir, name),
    runDir: join(runDir, name),
  });
  return {
    settings,
    stateDir,
    runDir,
    switchNamespace: `weft-${settings.name}-switch`,
    nodes: Array.from({ length: settings.nodes }, (_, index) => host(`node${index + 1}`, 11 + index)),
    outside: host('outside', 2),
    kubeconfig: join(stateDir, 'kubeconfig'),
  };
}

/** All hosts of a lab. */
export function listHosts(plan: LabPlan): LabHost[] {
  return [...plan.nodes, plan.outside];
}

/** The node that the API server runs on. */
export function serverHost(plan: LabPlan): LabHost {
  const [first] = plan.nodes;
  if (!first) throw new Error('a lab has at least one node');
  return first;
}
