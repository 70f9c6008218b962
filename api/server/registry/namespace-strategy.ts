import { namespaceKind } from '../../kinds/namespace.ts';
import type { Namespace } from '../../kinds/namespace.ts';
import type { Kind } from '../../kinds/kind.ts';
import type { Store } from '../../store/store.ts';
import { forbidden, notFound } from '../status-error.ts';
import { decodeEntry, objectKey } from './codec.ts';
import type { Strategy } from './strategy.ts';

const permanent = new Set(['default', 'kube-system', 'kube-public']);

/** Namespaces stay until their content is gone: a controller empties them and then takes `kubernetes` off. */
export const namespaceStrategy: Strategy<Namespace> = {
  checkDelete({ metadata: { name } }) {
    if (permanent.has(name)) throw forbidden(namespaceKind, name, 'this namespace may not be deleted');
  },
  markDeleted(namespace) {
    namespace.status = { ...namespace.status, phase: 'Terminating' };
  },
  isHeld(namespace) {
    return (namespace.spec?.finalizers ?? []).length > 0;
  },
};

/** Throws StatusError unless new objects of `kind` may be made in `namespace`. */
export async function checkNamespace(
  store: Store,
  kind: Kind,
  namespace: string,
  name: string,
): Promise<void> {
  const entry = await store.get(objectKey(namespaceKind, undefined, namespace));
  if (!entry) throw notFound(namespaceKind, namespace);
  if (decodeEntry(namespaceKind, entry).metadata.deletionTimestamp === undefined) return;
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  const message = `namespace ${namespace} is being terminated`;
  throw forbidden(kind, name, why, [
    { reason: 'NamespaceTerminating', message, field: 'metadata.namespace' },
  ]);
}
