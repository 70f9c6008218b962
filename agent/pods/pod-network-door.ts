import type { HostPort } from '../../api/kinds/host-ports.ts';
import type { Bandwidth } from '../network/bandwidth.ts';

/** What the pods need of the node's network: implemented by agent/network, faked by tests. */
export interface PodNetworkDoor {
  /** Gives the pod its namespace and addresses; attaching an attached pod returns the same. */
  attach(request: {
    /** The pod's uid. */
    readonly id: string;
    readonly ports?: readonly HostPort[];
    readonly pod: { readonly uid: string; readonly namespace: string; readonly name: string };
    readonly bandwidth?: Bandwidth;
  }): Promise<{ readonly netns: string; readonly ips: readonly string[] }>;
  /** Takes everything back. A missing pod is fine. */
  detach(id: string): Promise<void>;
}
