import manifest from '../package.json' with { type: 'json' };

/** weft's own version, e.g. `0.1.0`. */
export const version: string = manifest.version;

/** The Kubernetes version whose kubelet this agent stands in for, as `kubectl get nodes` shows it. */
export const kubeletVersion = `v1.32.0+weft${version}`;
