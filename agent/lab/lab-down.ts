import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { listNamespaces, namespacePath } from '../../netns/namespace.ts';
import { unmountUnder } from '../cleanup/mounts.ts';
import { removePods } from '../cleanup/pod-removal.ts';
import { killAll, listProcessesIn, namespaceIdentity } from '../processes.ts';
import { endDaemons } from './lab-daemons.ts';
import { removeEmpty, withLabLock } from './lab-lock.ts';
import { isLabNamespace, removeLabNetwork } from './lab-network.ts';
import { labsRunDir, labsStateDir } from './lab-plan.ts';

/**
 * Ends a lab and everything that came with it, whatever state it is in: goes by what is there, not by what the
 * lab was meant to be. A lab that is not there is fine. Returns a line for the user.
 */
export async function labDown(name: string, report: (step: string) => void): Promise<string> {
  return withLabLock(name, async () => {
    const stateDir = join(labsStateDir, name);
    const runDir = join(labsRunDir, name);
    report('ending the server and the agents');
    await endDaemons(runDir, listRecords(runDir));
    report('ending pods');
    const hosts = new Set(
      [...listNames(stateDir), ...listNames(runDir)].filter((host) => /^node\d+$/.test(host)),
    );
    for (const host of hosts) {
      await removePods({ stateDir: join(stateDir, host), runDir: join(runDir, host) });
    }
    report('removing namespaces and files');
    await killInhabitants(name);
    removeLabNetwork(name);
    for (const directory of [stateDir, runDir]) {
      unmountUnder(directory);
      rmSync(directory, { recursive: true, force: true });
    }
    removeEmpty(labsStateDir);
    removeEmpty(dirname(labsStateDir));
    return `lab ${name} is down`;
  });
}

/** Whatever still lives in the lab's namespaces: a shell of `lab exec`, a daemon whose record got lost. */
async function killInhabitants(name: string): Promise<void> {
  const paths = listNamespaces(`weft-${name}-`).filter((namespace) => isLabNamespace(name, namespace));
  const identities = new Set(paths.map((namespace) => namespaceIdentity(namespacePath(namespace))));
  await killAll(() => listProcessesIn(identities));
}

function listRecords(runDir: string): string[] {
  return listNames(runDir).flatMap((file) => (file.endsWith('.pid') ? [file.slice(0, -'.pid'.length)] : []));
}

function listNames(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
