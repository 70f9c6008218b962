import type { KubeObject, ListMeta } from '../../kinds/meta.ts';
import { sendPieces } from '../http/exchange.ts';
import { ListReader } from '../registry/list.ts';
import type { ResourceCall } from './call.ts';
import { readListOptions } from './list-options.ts';
import { collectionPresenterFor } from './present.ts';
import type { Presenter } from './present.ts';
import { selectionOf } from './select.ts';

/** GET of a collection. However long it is, only a piece of it is in memory. */
export async function listVerb({ exchange, resource, path }: ResourceCall): Promise<void> {
  const query = exchange.url.searchParams;
  const presenter = collectionPresenterFor(resource.kind, exchange);
  const reader = await ListReader.open(resource, {
    namespace: path.namespace,
    ...selectionOf(resource.kind, query, presenter.shown),
    ...readListOptions(query),
  });
  await sendPieces(exchange, renderList(reader, presenter));
}

/** A list's JSON text. Its metadata comes last: only at the end is it known where the rest begins. */
async function* renderList(reader: ListReader<KubeObject>, presenter: Presenter): AsyncGenerator<string> {
  let text = presenter.listHead;
  let separator = '';
  for (let entries = await reader.next(); entries; entries = await reader.next()) {
    // Held back until it is known whether the list ends with it: a short list is one piece.
    if (separator !== '') {
      yield text;
      text = '';
    }
    for (const entry of entries) {
      text += separator + presenter.listElement(entry);
      separator = ',';
    }
  }
  yield text + presenter.listTail(metadataOf(reader));
}

function metadataOf(reader: ListReader<KubeObject>): ListMeta {
  const { revision, continue: token, remaining } = reader;
  return {
    resourceVersion: String(revision),
    ...(token === undefined ? {} : { continue: token }),
    ...(remaining === undefined ? {} : { remainingItemCount: remaining }),
  };
}
