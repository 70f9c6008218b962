import { apiVersionOf } from '../../kinds/kind.ts';
import type { Kind } from '../../kinds/kind.ts';
import type { KubeObject, ListMeta } from '../../kinds/meta.ts';
import type { Table, TableRow } from '../../kinds/table.ts';
import { chooseRepresentation } from '../http/accept.ts';
import type { Exchange } from '../http/exchange.ts';

/** How one client wants objects of one kind to look. */
export interface Presenter {
  one(object: KubeObject): unknown;
  list(items: readonly KubeObject[], metadata: ListMeta): unknown;
  /** For watches: tables name their columns only once. */
  event(object: KubeObject): unknown;
}

/** The presenter for a request's Accept header. */
export function presenterFor(kind: Kind, { request, url }: Exchange): Presenter {
  switch (chooseRepresentation(request.headers.accept)) {
    case 'table':
      return tablePresenter(kind, url.searchParams.get('includeObject') ?? 'Metadata');
    case 'metadata':
      return metadataPresenter;
    case 'object':
      return objectPresenter(kind);
  }
}

function objectPresenter(kind: Kind): Presenter {
  return {
    one: (object) => object,
    list: (items, metadata) => ({
      kind: `${kind.kind}List`,
      apiVersion: apiVersionOf(kind),
      metadata,
      items,
    }),
    event: (object) => object,
  };
}

function partial(object: KubeObject): unknown {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

const metadataPresenter: Presenter = {
  one: partial,
  list: (items, metadata) => ({
    kind: 'PartialObjectMetadataList',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    items: items.map(partial),
  }),
  event: partial,
};

function tablePresenter(kind: Kind, include: string): Presenter {
  const row = (object: KubeObject): TableRow => ({
    cells: kind.cells(object, Date.now()),
    ...(include === 'None' ? {} : { object: include === 'Object' ? object : partial(object) }),
  });
  const table = (metadata: ListMeta, rows: TableRow[], columns = true): Table => ({
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: columns ? [...kind.columns] : [],
    rows,
  });
  let isFirst = true;
  const resourceVersion = (object: KubeObject): ListMeta =>
    object.metadata.resourceVersion === undefined ? {} : { resourceVersion: object.metadata.resourceVersion };
  return {
    one: (object) => table(resourceVersion(object), [row(object)]),
    list: (items, metadata) => table(metadata, items.map(row)),
    event: (object) => {
      const columns = isFirst;
      isFirst = false;
      return table(resourceVersion(object), [row(object)], columns);
    },
  };
}
