import type { TSchema } from 'typebox';
import { nodeOf } from '../../kinds/schema.ts';
import { applyJsonPatch, unknownOperationFields } from './json-patch.ts';
import { checkDepth } from './json.ts';
import { applyMergePatch } from './merge-patch.ts';
import { applyStrategicMerge } from './strategic-merge.ts';

/** Media types of PATCH bodies that {@link applyPatch} understands. */
export const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
] as const;
export type PatchType = (typeof patchTypes)[number];

/** The media type of a configuration for server-side apply; JSON is YAML too. */
export const applyType = 'application/apply-patch+yaml';

/**
 * The object after a patch, still undecoded: decode, default and validate it as an update.
 * `current` is never changed; the result may share structure with it. Throws PatchError.
 */
export function applyPatch(type: PatchType, schema: TSchema, current: unknown, patch: unknown): unknown {
  checkDepth(patch);
  switch (type) {
    case 'application/json-patch+json': {
      const patched = applyJsonPatch(current, patch);
      checkDepth(patched);
      return patched;
    }
    case 'application/merge-patch+json':
      return applyMergePatch(current, patch);
    case 'application/strategic-merge-patch+json':
      return applyStrategicMerge(nodeOf(schema), current, patch);
  }
}

/** What a patch itself has that no patch knows; fields of the object are looked at in the object. */
export function unknownPatchFields(type: PatchType, patch: unknown): string[] {
  return type === 'application/json-patch+json' ? unknownOperationFields(patch) : [];
}
