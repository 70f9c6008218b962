import { readFileSync } from 'node:fs';
import type { Test } from 'tap';

/** A line of a specification, and by which tests it is shown: their files (without `.test.ts`) and names. */
export type SpecificationLine = readonly [
  says: string,
  ...shown: readonly (readonly [file: string, test: string])[],
];

/** Checks that the tests of each line exist. @param base the URL that their files are relative to */
export function checkLines(t: Test, lines: readonly SpecificationLine[], base: string): void {
  for (const [says, ...shown] of lines) {
    for (const [file, test] of shown) {
      const text = readFileSync(new URL(`${file}.test.ts`, base), 'utf8');
      t.ok(text.includes(test), `${says}: ${file}: ${test}`);
    }
  }
}
