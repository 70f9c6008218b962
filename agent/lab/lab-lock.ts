import { rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isErrno } from '../../netns/kernel-error.ts';
import { AgentError } from '../agent-error.ts';
import { acquireLock, isHeld } from '../node/lock.ts';
import { labsRunDir } from './lab-plan.ts';

/** Runs `action` while no other command changes the lab. */
export async function withLabLock<T>(name: string, action: () => Promise<T>): Promise<T> {
  const lock = acquireLock(join(labsRunDir, `${name}.lock`));
  if (!isHeld(lock)) {
    const message = `another weft lab command (process ${lock.pid ?? 'unknown'}) works on lab ${name}`;
    throw new AgentError('lab-busy', message, 'wait until it ends');
  }
  try {
    return await action();
  } finally {
    lock.release();
    removeEmpty(labsRunDir);
    removeEmpty(dirname(labsRunDir));
  }
}

/** Removes a directory if nothing is in it. */
export function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST', 'EBUSY')) throw error;
  }
}
