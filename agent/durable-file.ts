import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Replaces a file as a whole: after a crash there is the old one or the new one, never a half. */
export function writeFileDurably(path: string, text: string, mode: number): void {
  const temporary = `${path}.new`;
  const fd = openSync(temporary, 'w', mode);
  try {
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  const directory = openSync(dirname(path), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** The same for a large file, part by part: meanwhile the process does other work. */
export async function writePartsDurably(path: string, parts: Iterable<string>, mode: number): Promise<void> {
  const temporary = `${path}.new`;
  {
    await using file = await open(temporary, 'w', mode);
    await file.writeFile(parts);
    await file.sync();
  }
  await rename(temporary, path);
  await using directory = await open(dirname(path), 'r');
  await directory.sync();
}
