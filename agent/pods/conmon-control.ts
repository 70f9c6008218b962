import * as fs from 'node:fs';
import { join } from 'node:path';

/** A message of conmon's control fifo (conmon's src/ctrl.c): its number and two values that it does not need. */
const reopen = '2 0 0\n';

/**
 * Has conmon open its log again, after the old one was moved aside.
 * @throws Error ENXIO or ENOENT when conmon is gone
 */
export function reopenLog(bundle: string): void {
  const fd = fs.openSync(join(bundle, 'ctl'), fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
  try {
    fs.writeSync(fd, reopen);
  } finally {
    fs.closeSync(fd);
  }
}
