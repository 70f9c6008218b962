import type { Kind } from './kind.ts';

/** Every kind the API serves. Adding a kind is one file and one line here. */
export const kinds: readonly Kind[] = [];

/** The kind served at a group, version and plural, e.g. `findKind('', 'v1', 'pods')`. */
export function findKind(group: string, version: string, plural: string): Kind | undefined {
  return kinds.find((each) => each.group === group && each.version === version && each.plural === plural);
}

/** The kind of an object's `apiVersion` and `kind`. */
export function findKindOf(apiVersion: string, kind: string): Kind | undefined {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  return kinds.find((each) => each.group === group && each.version === version && each.kind === kind);
}
