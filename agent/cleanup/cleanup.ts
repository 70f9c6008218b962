import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { AgentError } from '../agent-error.ts';
import { removeCni } from '../cni/installation.ts';
import type { Config } from '../config/config.ts';
import { reloadManager } from '../host/checks.ts';
import { formerSettingsFile, restoreSettings } from '../host/former-settings.ts';
import { hostDirectories, removeFiles } from '../host/link-managers.ts';
import { labsRunDir, labsStateDir } from '../lab/lab-plan.ts';
import { acquireLock, isHeld } from '../node/lock.ts';
import { removeNodeNetwork } from '../network/node-network.ts';
import { removePods } from './pod-removal.ts';
import { cleanup as removeRules } from '../services/services.ts';

export interface CleanupOptions {
  /** Certificates, the store, images and pods' records stay. */
  readonly keepState: boolean;
}

/**
 * Takes everything of weft off this host: pods, rules, links, routes and files; kernel settings become what they were.
 * Goes on after a failure and throws all of them at the end as an AggregateError. Labs are left alone: they have their
 * own `weft lab down`. Throws AgentError `already-running` while an agent runs.
 */
export async function cleanUpHost({ agent }: Config, { keepState }: CleanupOptions): Promise<void> {
  const lock = acquireLock(join(agent.runDir, 'agent.lock'));
  if (!isHeld(lock)) {
    const message = `an agent runs here (process ${lock.pid ?? 'unknown'})`;
    throw new AgentError('already-running', message, 'stop it first: systemctl stop weft@agent');
  }
  const steps: (() => unknown)[] = [
    () => removeCni(agent.cni),
    () => removePods(agent),
    () => removeRules(),
    () => removeNodeNetwork(),
    () => restoreSettings(formerSettingsFile(agent.runDir)),
    () => removeFiles(hostDirectories).forEach(reloadManager),
    () => emptyDirectory(agent.runDir, basename(labsRunDir)),
    () => keepState || emptyDirectory(agent.stateDir, basename(labsStateDir)),
  ];
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  lock.release();
  if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('\n'));
}

/** Removes all that is in a directory but `kept`, and the directory itself when nothing stays. */
function emptyDirectory(directory: string, kept: string): void {
  if (!existsSync(directory)) return;
  const names = readdirSync(directory);
  if (!names.includes(kept)) {
    rmSync(directory, { recursive: true, force: true });
    return;
  }
  for (const name of names.filter((each) => each !== kept)) {
    rmSync(join(directory, name), { recursive: true, force: true });
  }
}
