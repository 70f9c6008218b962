import type { Test } from 'tap';

/**
 * Guards a test file that needs root. Without root it skips the whole file visibly; in CI (`CI=true`), where
 * a skipped root test would hide a hole, it fails instead.
 * Returns whether the file's tests may run.
 */
export function skipUnlessRoot(t: Test): boolean {
  if (process.getuid?.() === 0) return true;
  if (process.env['CI'] === 'true') t.fail('needs root, and CI must run every root test');
  else t.plan(0, 'needs root');
  return false;
}
