import * as fs from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../netns/kernel-error.ts';
import type { Sysctl } from '../../netns/sysctl.ts';
import { kernelSettings } from './settings.ts';
import type { SettingsDoor } from './settings.ts';

/** A setting that the agent changed: what it was at first, and what it was made. */
interface Former {
  readonly before: string;
  readonly made: string;
}

/**
 * Those that stay as they are: others may have come to rely on them meanwhile (a host that forwards for Docker or for
 * machines behind it), as with kube-proxy and flannel, which put back nothing. As long as a host forwards, `accept_ra`
 * must be 2, or it loses the default route that a router gave it. And the settings of our own links go with them.
 */
const staying =
  /^net\/ipv4\/ip_forward$|^net\/ipv6\/conf\/all\/forwarding$|\/accept_ra$|^net\/ipv[46]\/conf\/weft/;

/** Where it is noted: settings and this directory last until the machine starts anew. */
export function formerSettingsFile(runDir: string): string {
  return join(runDir, 'former-settings.json');
}

/**
 * The kernel's settings. What one that is changed was before is noted, for {@link restoreSettings}.
 * @param onUnnoted told why it could not be noted; the setting is changed all the same
 */
export function notingSettings(
  file: string,
  onUnnoted: (error: unknown) => void,
  door: SettingsDoor = kernelSettings,
): SettingsDoor {
  return {
    read: (name) => door.read(name),
    write(setting) {
      const before = door.read(setting.name);
      try {
        if (before !== undefined && !staying.test(setting.name)) note(file, setting, before);
      } catch (error) {
        onUnnoted(error);
      }
      door.write(setting);
    },
  };
}

/** Puts back what was noted. What somebody changed since then, or whose link is gone, stays. @throws Error EROFS, EACCES */
export function restoreSettings(file: string, door: SettingsDoor = kernelSettings): void {
  for (const [name, { before, made }] of Object.entries(readFormer(file))) {
    if (door.read(name) === made) door.write({ name, value: before });
  }
}

/** The first value counts: that a setting has to be put right again says nothing about who was there before us. */
function note(file: string, { name, value: made }: Sysctl, now: string): void {
  const former = readFormer(file);
  const before = former[name]?.before ?? now;
  if (former[name]?.made === made) return;
  const text = `${JSON.stringify({ ...former, [name]: { before, made } }, undefined, 2)}\n`;
  fs.writeFileSync(`${file}.new`, text);
  fs.renameSync(`${file}.new`, file);
}

function readFormer(file: string): Readonly<Record<string, Former>> {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')) as Record<string, Former>;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return {};
    throw error;
  }
}
