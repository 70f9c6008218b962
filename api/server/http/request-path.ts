/** A path below /api/v1 or /apis/<group>/<version> taken apart. */
export interface ResourcePath {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  /** Absent: all namespaces, or a kind without namespaces. */
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
  /** What follows the subresource (only proxies have that). */
  readonly rest?: string;
}

/**
 * Reads `/api/v1/namespaces/default/pods/web/log` and its like; undefined for paths of another form.
 * `/api/v1/namespaces/default` and its status and finalize are the Namespace itself.
 */
export function parseResourcePath(pathname: string): ResourcePath | undefined {
  const segments = decodeSegments(pathname);
  if (!segments) return undefined;
  const [root, ...below] = segments;
  if (root === 'api' && below[0] === 'v1') return parseBelow('', 'v1', below.slice(1));
  const [group, version] = below;
  if (root === 'apis' && group !== undefined && version !== undefined) {
    return parseBelow(group, version, below.slice(2));
  }
  return undefined;
}

const ofNamespaceItself = new Set(['status', 'finalize']);

function parseBelow(group: string, version: string, segments: readonly string[]): ResourcePath | undefined {
  let rest = segments;
  let scope: { namespace?: string } = {};
  const [first, namespace, below] = segments;
  if (
    first === 'namespaces' &&
    namespace !== undefined &&
    below !== undefined &&
    !ofNamespaceItself.has(below)
  ) {
    scope = { namespace };
    rest = segments.slice(2);
  }
  const [plural, name, subresource, ...tail] = rest;
  if (plural === undefined) return undefined;
  return {
    group,
    version,
    plural,
    ...scope,
    ...(name === undefined ? {} : { name }),
    ...(subresource === undefined ? {} : { subresource }),
    ...(tail.length === 0 ? {} : { rest: tail.join('/') }),
  };
}

function decodeSegments(pathname: string): string[] | undefined {
  const segments = pathname.split('/').slice(1);
  if (segments.at(-1) === '') segments.pop();
  if (segments.some((segment) => segment === '')) return undefined;
  try {
    return segments.map(decodeURIComponent);
  } catch (error) {
    // A malformed escape names nothing.
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
