/**
 * Why the network is not as it shall be: `not-ready` (the node has no place in the cluster yet; try again),
 * `no-address` (a node address is on no link), `conflict` (a podCIDR, or a port of the node, is somebody else's), `bad-namespace` (there is
 * none, or one that pods may not be in), `exists` (an interface of that name, and it is not ours), `kernel` (it
 * refused; see `cause`).
 */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
  readonly code: 'not-ready' | 'no-address' | 'conflict' | 'bad-namespace' | 'exists' | 'kernel';

  constructor(code: NetworkError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
