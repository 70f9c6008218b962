import { isAlreadyExists, isNamespaceTerminating, isNotFound } from '../../client/api-error.ts';
import { configMaps, serviceAccounts } from '../../client/resources.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { WorkQueue } from '../work-queue.ts';

const accountName = 'default';
const authorityName = 'kube-root-ca.crt';
const authorityKey = 'ca.crt';

/**
 * Keeps in every namespace what Kubernetes promises there: ServiceAccount `default`, and ConfigMap `kube-root-ca.crt`
 * with the certificate that the API's own is checked by. Keys: namespace names.
 */
export class NamespaceDefaults implements Controller {
  readonly #ctx: ControllerContext;
  readonly #ca: string;
  readonly #queue: WorkQueue;
  #unsubscribe: (() => void)[] = [];

  /** `ca` is PEM. */
  constructor(ctx: ControllerContext, ca: string) {
    this.#ctx = ctx;
    this.#ca = ca;
    const log = ctx.log.child({ controller: 'namespace-defaults' });
    this.#queue = new WorkQueue({ log, workers: 5, process: (name) => this.#sync(name) });
  }

  start(): void {
    const { namespaces, serviceAccounts: accounts, configMaps: maps } = this.#ctx.caches;
    this.#unsubscribe = [
      namespaces.subscribe((event) => {
        if (event.type === 'added') this.#queue.add(event.key);
      }),
      accounts.subscribe((event) => {
        if (event.type !== 'deleted' || event.object.metadata.name !== accountName) return;
        this.#queue.add(event.object.metadata.namespace ?? '');
      }),
      maps.subscribe((event) => {
        if (event.type === 'synced' || event.type === 'added') return;
        if (event.object.metadata.name === authorityName)
          this.#queue.add(event.object.metadata.namespace ?? '');
      }),
    ];
    for (const { metadata } of namespaces.list()) this.#queue.add(metadata.name);
    this.#queue.start();
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#queue.stop();
  }

  async #sync(namespace: string): Promise<void> {
    const { namespaces, serviceAccounts: accounts } = this.#ctx.caches;
    const found = namespaces.get(namespace);
    if (!found || found.metadata.deletionTimestamp !== undefined) return;
    try {
      if (!accounts.get(`${namespace}/${accountName}`)) await this.#createAccount(namespace);
      await this.#ensureAuthority(namespace);
    } catch (error) {
      // The namespace goes, or has gone: with all it held.
      if (!isNamespaceTerminating(error) && !isNotFound(error)) throw error;
    }
  }

  async #createAccount(namespace: string): Promise<void> {
    const account = {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: accountName, namespace },
    };
    await ignoringExisting(this.#ctx.client.create(serviceAccounts, account));
  }

  /** The cache knows only metadata of ConfigMaps: what it holds is asked for. */
  async #ensureAuthority(namespace: string): Promise<void> {
    const { client, caches } = this.#ctx;
    const data = { [authorityKey]: this.#ca };
    if (!caches.configMaps.get(`${namespace}/${authorityName}`)) {
      const metadata = { name: authorityName, namespace };
      await ignoringExisting(
        client.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data }),
      );
      return;
    }
    const at = { namespace, name: authorityName };
    const found = await client.get(configMaps, at);
    if (found.data?.[authorityKey] === this.#ca) return;
    await client.patch(configMaps, at, { data }, 'merge');
  }
}

async function ignoringExisting(creation: Promise<unknown>): Promise<void> {
  try {
    await creation;
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
