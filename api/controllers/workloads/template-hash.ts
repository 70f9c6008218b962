import type { PodTemplateSpec } from '../../kinds/pod-spec.ts';

/** apimachinery's alphabet for names: neither vowels nor look-alikes. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

/**
 * A short text that stands for a template in names and labels. It only has to differ where templates do, most of
 * the time: `collisions` gives another one where it did not.
 */
export function templateHash(template: PodTemplateSpec, collisions = 0): string {
  const digits = String(fnv1a(`${canonicalText(template)}${collisions > 0 ? collisions : ''}`));
  return digits.replace(/\d/g, (digit) => alphabet.charAt(digit.charCodeAt(0) % alphabet.length));
}

/** JSON with sorted keys: equal objects are equal texts. */
function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) => {
    if (typeof each !== 'object' || each === null || Array.isArray(each)) return each;
    return Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** FNV-1a, 32 bits. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
