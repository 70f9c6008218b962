import * as fs from 'node:fs';
import { isErrno } from './kernel-error.ts';

/** A kernel setting of the current network namespace: `net/ipv4/ip_forward` and its text. */
export interface Sysctl {
  readonly name: string;
  readonly value: string;
}

/** The setting's text, or undefined when the kernel has none of that name (IPv6 switched off, link gone). */
export function readSysctl(name: string): string | undefined {
  try {
    return fs.readFileSync(`/proc/sys/${name}`, 'utf8').trim();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Writes a setting. @throws Error ENOENT, EINVAL, EROFS (a read-only /proc/sys) */
export function writeSysctl({ name, value }: Sysctl): void {
  fs.writeFileSync(`/proc/sys/${name}`, value);
}
