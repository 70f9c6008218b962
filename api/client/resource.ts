/**
 * Where a collection lives in the API. `T` is the type of its objects; a Kind<T> of api/kinds fits, too.
 * `group` is empty for the core group.
 */
export interface Resource<T> {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Never set: it only ties `T` to the descriptor. */
  readonly objectType?: T;
}

/** One object of a collection; `namespace` only for kinds that have one. */
export interface ObjectName {
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** What the client itself needs to see of an object. */
export interface ApiObject {
  readonly metadata: {
    readonly name?: string | undefined;
    readonly namespace?: string | undefined;
    readonly uid?: string | undefined;
    readonly resourceVersion?: string | undefined;
    readonly annotations?: Readonly<Record<string, string>> | undefined;
  };
}

/** `namespace/name`, or `name` for kinds without a namespace: the key of caches and queues. */
export function objectKey(object: ApiObject): string {
  const { namespace, name = '' } = object.metadata;
  return namespace ? `${namespace}/${name}` : name;
}

/** The inverse of {@link objectKey}. */
export function parseKey(key: string): ObjectName {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The URL path of a collection, of one object in it or of its subresource. */
export function resourcePath(
  resource: Resource<unknown>,
  where: {
    readonly namespace?: string | undefined;
    readonly name?: string | undefined;
    readonly subresource?: string | undefined;
  },
): string {
  const parts =
    resource.group === '' ? ['api', resource.version] : ['apis', resource.group, resource.version];
  if (resource.namespaced && where.namespace) parts.push('namespaces', where.namespace);
  parts.push(resource.plural);
  if (where.name !== undefined) parts.push(where.name);
  if (where.subresource !== undefined) parts.push(where.subresource);
  return '/' + parts.map(encodeURIComponent).join('/');
}
