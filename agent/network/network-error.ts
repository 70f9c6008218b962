/**
 * Why the network is not as it shall be: `not-ready` (the node has no place in the cluster yet; try again),
 * `no-address` (a node address is on no link), `conflict` (a podCIDR is somebody else's), `port-taken` (a port of the
 * node is), `bad-namespace` (there is none, or one that pods may not be in), `exists` (an interface of that name, and it
 * is not ours), `kernel` (it refused; see `cause`).
 */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
  readonly code:
    'not-ready' | 'no-address' | 'conflict' | 'port-taken' | 'bad-namespace' | 'exists' | 'kernel';

  constructor(code: NetworkError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
