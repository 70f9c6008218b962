/** What the pods need of the node's network: implemented by agent/network, faked by tests. */
export interface PodNetworkDoor {
  /** Gives the pod its namespace and addresses; attaching an attached pod returns the same. */
  attach(pod: {
    readonly uid: string;
    readonly namespace: string;
    readonly name: string;
  }): Promise<{ readonly netns: string; readonly ips: readonly string[] }>;
  /** Takes everything back. A missing pod is fine. */
  detach(uid: string): Promise<void>;
}
