import { delimiter } from 'node:path';

/** Where programs of administrators are, whatever the caller's PATH says. */
export const programPath = [
  ...new Set([...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/bin', '/sbin', '/bin']),
].join(delimiter);
