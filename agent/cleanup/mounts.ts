import { readFileSync } from 'node:fs';
import { unmount } from '../../netns/mount.ts';

/** Mount points at or under `directory`, from the text of /proc/self/mountinfo (proc(5)), newest first. */
export function parseMountsUnder(mountinfo: string, directory: string): string[] {
  return mountinfo
    .split('\n')
    .flatMap((line) => line.split(' ')[4] ?? [])
    .map((path) =>
      path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .filter((path) => path === directory || path.startsWith(`${directory}/`))
    .reverse();
}

/** Takes off everything mounted at or under `directory`. */
export function unmountUnder(directory: string): void {
  for (const path of parseMountsUnder(readFileSync('/proc/self/mountinfo', 'utf8'), directory)) unmount(path);
}
