import { ignoreMissing } from '../../client/api-error.ts';
import type { ApiClient } from '../../client/client.ts';
import { endpointSlices } from '../../client/resources.ts';
import type { EndpointSlice } from '../../kinds/endpoint-slice.ts';
import type { WriteFence } from '../write-fence.ts';
import type { SliceDiff } from './endpoint-slices.ts';

/** Writes the changes of slices. Removal comes last: an endpoint that moves between slices must never be in none. */
export async function applySlices(
  client: ApiClient,
  diff: SliceDiff,
  fence: WriteFence<EndpointSlice>,
): Promise<void> {
  for (const slice of diff.create) fence.wrote(await client.create(endpointSlices, slice));
  for (const slice of diff.update) fence.wrote(await client.update(endpointSlices, slice));
  for (const slice of diff.remove) {
    const { name, namespace } = slice.metadata;
    await ignoreMissing(client.delete(endpointSlices, { namespace, name }));
    fence.removed(slice);
  }
}
