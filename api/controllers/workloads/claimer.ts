import { ignoreMissing } from '../../client/api-error.ts';
import type { ApiClient } from '../../client/client.ts';
import type { Resource } from '../../client/resource.ts';
import type { KubeObject } from '../../kinds/meta.ts';
import { controllerReference } from './claims.ts';
import type { Claims, OwnerKind } from './claims.ts';
import type { WriteFence } from '../write-fence.ts';

/** Carries out what {@link Claims} say about objects of one collection. */
export class Claimer<O extends KubeObject, T extends KubeObject> {
  readonly #client: ApiClient;
  readonly #ownerKind: OwnerKind<O>;
  readonly #resource: Resource<T>;

  constructor(client: ApiClient, ownerKind: OwnerKind<O>, resource: Resource<T>) {
    this.#client = client;
    this.#ownerKind = ownerKind;
    this.#resource = resource;
  }

  async carryOut(owner: O, claims: Claims<T>, fence: WriteFence<T>): Promise<void> {
    if (claims.adopt.length > 0) await this.#confirm(owner);
    const reference = controllerReference(this.#ownerKind, owner);
    for (const object of claims.adopt) await this.#patchOwner(object, reference, fence);
    const removal = { $patch: 'delete', uid: owner.metadata.uid };
    for (const object of claims.release) await this.#patchOwner(object, removal, fence);
  }

  /** Asks the API itself before taking over objects: a cache that is late would adopt them for a deleted owner. */
  async #confirm(owner: O): Promise<void> {
    const { name, namespace, uid } = owner.metadata;
    const { metadata } = await this.#client.get<KubeObject>(this.#ownerKind.resource, { namespace, name });
    if (metadata.uid !== uid || metadata.deletionTimestamp !== undefined) {
      throw new Error(`${this.#ownerKind.kind} ${namespace}/${name} is gone: adopts nothing`);
    }
  }

  async #patchOwner(object: T, reference: object, fence: WriteFence<T>): Promise<void> {
    const { name, namespace, uid } = object.metadata;
    const patch = { metadata: { uid, ownerReferences: [reference] } };
    const request = this.#client.patch(this.#resource, { namespace, name }, patch, 'strategic');
    const written = await ignoreMissing(request);
    if (written) fence.wrote(written);
  }
}
