/** A way from one network namespace to another that is measured. */
export interface NetworkPath {
  readonly name: string;
  /** Names of the network namespaces that ask and answer. */
  readonly client: string;
  readonly server: string;
  /** Where the server listens. */
  readonly address: string;
}
