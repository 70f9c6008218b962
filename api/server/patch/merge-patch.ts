import { isObject, withFields } from './json.ts';

/** JSON merge patch (RFC 7386): objects merge, null deletes, anything else replaces. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const base = isObject(target) ? target : {};
  const changes = Object.entries(patch).map(([name, value]) => {
    const before = Object.hasOwn(base, name) ? base[name] : undefined;
    return [name, value === null ? undefined : applyMergePatch(before, value)] as const;
  });
  return withFields(base, changes);
}
