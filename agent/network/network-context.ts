import type { DesiredState } from '../../netns/state.ts';
import type { AgentContext } from '../subsystem.ts';
import type { NetworkView, NodePlan } from './view.ts';

/** What the node's network is told of itself and its cluster. */
export type NetworkContext = Pick<AgentContext, 'nodeName' | 'metrics' | 'log'> & {
  readonly config: Pick<AgentContext['config'], 'nodeIPs' | 'vxlan' | 'networkMode' | 'podLink' | 'podMTU'>;
  readonly cluster: Pick<AgentContext['cluster'], 'dnsIPs'>;
  readonly caches: Pick<AgentContext['caches'], 'nodes'>;
};

/** Who works with it. */
export interface NetworkParts {
  readonly paths: Paths;
  readonly straight: Straight;
  readonly settings: Settings;
}

/** Who finds out what the ways to peers carry (agent/paths). */
interface Paths {
  readonly mtus: NetworkView['pathMtus'];
  subscribe(listener: () => void): () => void;
  /** The network was just made as planned, or some of the plan's peers have changed. */
  follow(plan: NodePlan): void;
}

/** Who finds out which ways packets take straight to peers (agent/paths). */
interface Straight {
  readonly proven: NetworkView['proven'];
  /** Tells of nodes of whose ways {@link proven} says otherwise now. */
  subscribe(listener: (node: string) => void): () => void;
  /** These are taken already. */
  adopt(ways: Iterable<string>): void;
  follow(plan: NodePlan): void;
}

/** Who keeps the kernel's settings as they shall be, and tells of those that others change (agent/host). */
interface Settings {
  /** Makes them so at once, and keeps them. What cannot be written is told there. */
  want(settings: DesiredState['sysctls']): void;
}
