import { addressLeaseName, announcementNamespace, announcerLeaseName } from '../../api/announcement.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../api/client/api-error.ts';
import type { ApiClient } from '../../api/client/client.ts';
import { resourcePath } from '../../api/client/resource.ts';
import { leases } from '../../api/client/resources.ts';
import type { Lease } from '../../api/kinds/lease.ts';
import type { LeaseDoor } from './election.ts';
import {
  readAddressLease,
  readAnnouncerLease,
  renderAddressLease,
  renderAnnouncerLease,
  renderAnnouncerSpec,
} from './leases.ts';
import type { AddressLease, AnnouncerLease, AnnouncerSpec } from './leases.ts';
import { requestMs } from './timing.ts';

const collection = resourcePath(leases, { namespace: announcementNamespace });

function pathOf(name: string): string {
  return resourcePath(leases, { namespace: announcementNamespace, name });
}

/** The Leases in the API, asked with a patience of {@link requestMs}. */
export class ApiLeaseDoor implements LeaseDoor {
  readonly #client: Pick<ApiClient, 'request'>;
  readonly #node: string;
  readonly #nodeUid: () => string | undefined;

  /** @param nodeUid of this node's Node object, as soon as it is known */
  constructor(client: Pick<ApiClient, 'request'>, node: string, nodeUid: () => string | undefined) {
    this.#client = client;
    this.#node = node;
    this.#nodeUid = nodeUid;
  }

  async beat(spec: AnnouncerSpec): Promise<void> {
    const path = pathOf(announcerLeaseName(this.#node));
    try {
      const patch = { spec: renderAnnouncerSpec(spec, new Date()) };
      await this.#request('PATCH', path, patch, 'application/merge-patch+json');
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const lease = renderAnnouncerLease(this.#node, spec, this.#nodeUid(), new Date());
      await this.#request('POST', collection, lease);
    }
  }

  async readAnnouncer(node: string): Promise<AnnouncerLease | undefined> {
    try {
      return readAnnouncerLease(await this.#request('GET', pathOf(announcerLeaseName(node))));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async hand(
    address: string,
    holder: string | undefined,
    before: AddressLease | undefined,
  ): Promise<AddressLease | undefined> {
    const lease = renderAddressLease(address, holder, before, new Date());
    try {
      const stored = before
        ? await this.#request('PUT', pathOf(addressLeaseName(address)), lease)
        : await this.#request('POST', collection, lease);
      return readAddressLease(stored);
    } catch (error) {
      if (isConflict(error) || isAlreadyExists(error) || isNotFound(error)) return undefined;
      throw error;
    }
  }

  async remove({ address, version }: AddressLease): Promise<void> {
    const preconditions = { resourceVersion: version };
    const options = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions };
    try {
      await this.#request('DELETE', pathOf(addressLeaseName(address)), options);
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error)) throw error;
    }
  }

  async #request(method: string, path: string, body?: unknown, contentType?: string): Promise<Lease> {
    const signal = AbortSignal.timeout(requestMs);
    const answer = await this.#client.request(method, path, {
      body,
      signal,
      ...(contentType === undefined ? {} : { contentType }),
    });
    return answer as Lease;
  }
}
