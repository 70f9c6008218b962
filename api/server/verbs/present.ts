import { apiVersionOf } from '../../kinds/kind.ts';
import type { Kind } from '../../kinds/kind.ts';
import { podKind } from '../../kinds/pod.ts';
import type { Pod } from '../../kinds/pod.ts';
import type { KubeObject, ListMeta } from '../../kinds/meta.ts';
import type { Table, TableRow } from '../../kinds/table.ts';
import type { Entry } from '../../store/store.ts';
import { seesAddressesOnly } from '../authorizer.ts';
import { chooseRepresentation } from '../http/accept.ts';
import type { Exchange } from '../http/exchange.ts';
import { decodeEntry, renderEntry, withRevision } from '../registry/codec.ts';

/** How one client wants objects of one kind to look. Entries of the store become JSON text at once. */
export interface Presenter {
  /** What the client is shown of an object; absent where that is all. */
  readonly shown?: (object: KubeObject) => KubeObject;
  one(object: KubeObject): unknown;
  list(items: readonly KubeObject[], metadata: ListMeta): unknown;
  /** One object as a whole answer. */
  entry(entry: Entry): string;
  /** A list's elements stand between these, separated by commas. */
  readonly listHead: string;
  listElement(entry: Entry): string;
  listTail(metadata: ListMeta): string;
  /** The object of a watch event. A table names its columns in the first one only. */
  event(entry: Entry, revision: number, isFirst: boolean): string;
  /** Presenters of one kind with equal keys give the same events. */
  readonly key: string;
}

/** The presenter for a request's Accept header. */
export function presenterFor(kind: Kind, { request, url }: Exchange): Presenter {
  switch (chooseRepresentation(request.headers.accept)) {
    case 'table':
      return tablePresenter(kind, url.searchParams.get('includeObject') ?? 'Metadata');
    case 'metadata':
      return metadataPresenter(kind);
    case 'object':
      return objectPresenter(kind);
  }
}

/** The presenter for a request for many objects, of which the user may not be shown everything. */
export function collectionPresenterFor(kind: Kind, exchange: Exchange): Presenter {
  const fieldSelector = exchange.url.searchParams.get('fieldSelector') ?? '';
  if (seesAddressesOnly(exchange.user, kind.plural, fieldSelector)) return podAddressPresenter();
  return presenterFor(kind, exchange);
}

function listTail(metadata: ListMeta): string {
  return `],"metadata":${JSON.stringify(metadata)}}`;
}

/** The beginning of a list's JSON text, up to its first element. */
function listHead(list: object, elements: string): string {
  return `${JSON.stringify(list).slice(0, -1)},"${elements}":[`;
}

function objectPresenter(kind: Kind): Presenter {
  const type = { kind: `${kind.kind}List`, apiVersion: apiVersionOf(kind) };
  return {
    // A request need not say what its path says.
    one: (object) => ({ ...object, kind: kind.kind, apiVersion: apiVersionOf(kind) }),
    list: (items, metadata) => ({ ...type, metadata, items }),
    entry: (entry) => renderEntry(kind, entry),
    listHead: listHead(type, 'items'),
    listElement: (entry) => renderEntry(kind, entry),
    listTail,
    event: (entry, revision) => renderEntry(kind, entry, revision),
    key: 'object',
  };
}

/** Where pods are: their names, nodes, phases and addresses. */
function podAddressPresenter(): Presenter {
  const presenter = objectPresenter(podKind);
  const render = (pod: Pod): string => JSON.stringify(presenter.one(addressesOnly(pod)));
  return {
    ...presenter,
    shown: (object) => addressesOnly(object as Pod),
    list: (items, metadata) =>
      presenter.list(
        items.map((pod) => addressesOnly(pod as Pod)),
        metadata,
      ),
    entry: (entry) => render(decodeEntry(podKind, entry)),
    listElement: (entry) => render(decodeEntry(podKind, entry)),
    event: (entry, revision) => render(withRevision(decodeEntry(podKind, entry), revision)),
    key: 'addresses',
  };
}

function addressesOnly({ metadata, spec, status }: Pod): Pod {
  const { name, namespace, uid, resourceVersion, creationTimestamp, deletionTimestamp } = metadata;
  const { phase, podIP, podIPs } = status ?? {};
  // What is undefined is not written.
  return {
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp, deletionTimestamp },
    spec: { nodeName: spec.nodeName, containers: [] },
    status: { phase, podIP, podIPs },
  } as unknown as Pod;
}

function partial(object: KubeObject): unknown {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

function metadataPresenter(kind: Kind): Presenter {
  const type = { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1' };
  const render = (entry: Entry): string => JSON.stringify(partial(decodeEntry(kind, entry)));
  return {
    one: partial,
    list: (items, metadata) => ({ ...type, metadata, items: items.map(partial) }),
    entry: render,
    listHead: listHead(type, 'items'),
    listElement: render,
    listTail,
    event: (entry, revision) => JSON.stringify(partial(withRevision(decodeEntry(kind, entry), revision))),
    key: 'metadata',
  };
}

function tablePresenter(kind: Kind, include: string): Presenter {
  const type = { kind: 'Table', apiVersion: 'meta.k8s.io/v1' } as const;
  const row = (object: KubeObject): TableRow => ({
    cells: kind.cells(object, Date.now()),
    ...(include === 'None' ? {} : { object: include === 'Object' ? object : partial(object) }),
  });
  const table = (metadata: ListMeta, rows: TableRow[], columns = true): Table => ({
    ...type,
    metadata,
    columnDefinitions: columns ? [...kind.columns] : [],
    rows,
  });
  const one = (object: KubeObject, columns = true): Table => {
    const { resourceVersion } = object.metadata;
    return table(resourceVersion === undefined ? {} : { resourceVersion }, [row(object)], columns);
  };
  return {
    one: (object) => one(object),
    list: (items, metadata) => table(metadata, items.map(row)),
    entry: (entry) => JSON.stringify(one(decodeEntry(kind, entry))),
    listHead: listHead({ ...type, columnDefinitions: kind.columns }, 'rows'),
    listElement: (entry) => JSON.stringify(row(decodeEntry(kind, entry))),
    listTail,
    event: (entry, revision, isFirst) =>
      JSON.stringify(one(withRevision(decodeEntry(kind, entry), revision), isFirst)),
    key: `table ${include}`,
  };
}
