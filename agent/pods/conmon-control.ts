import * as fs from 'node:fs';
import { join } from 'node:path';

/** Messages of conmon's control fifo (conmon's src/ctrl.c): their number and two values. */
const message = { resize: 1, reopenLog: 2 } as const;

/** Has conmon open its log again, after the old one was moved aside. */
export function reopenLog(bundle: string): void {
  send(bundle, message.reopenLog, 0, 0);
}

/** Sets the size of a container's terminal. */
export function resizeContainer(bundle: string, columns: number, rows: number): void {
  send(bundle, message.resize, rows, columns);
}

/** @throws Error ENXIO or ENOENT when conmon is gone */
function send(bundle: string, ...numbers: number[]): void {
  const fd = fs.openSync(join(bundle, 'ctl'), fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
  try {
    fs.writeSync(fd, `${numbers.join(' ')}\n`);
  } finally {
    fs.closeSync(fd);
  }
}
