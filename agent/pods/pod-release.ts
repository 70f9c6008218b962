import * as fs from 'node:fs';
import { join } from 'node:path';
import { removeCgroups } from './cgroups.ts';
import { removeRun } from './container-runs.ts';
import type { NodeTools } from './node-tools.ts';
import { containerId, podCgroup } from './paths.ts';
import type { PodPaths } from './paths.ts';

/**
 * Takes everything of a pod away but its record and logs: containers, mounts, network, volumes, control groups.
 * What there is to remove is read from the disk, not from memory. Idempotent.
 */
export async function releasePod(
  tools: Pick<NodeTools, 'runtime' | 'network'>,
  paths: PodPaths,
  uid: string,
): Promise<void> {
  for (const { name, attempt } of listRuns(paths)) {
    await removeRun(tools, paths, uid, { name, attempt, id: containerId(uid, name, attempt) });
  }
  await tools.network.detach(uid);
  await removeCgroups(podCgroup(uid));
  for (const dir of [join(paths.dir, 'containers'), paths.volumes, paths.etc, paths.runDir]) {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

function listRuns(paths: PodPaths): { name: string; attempt: number }[] {
  const containers = join(paths.dir, 'containers');
  const names = fs.existsSync(containers) ? fs.readdirSync(containers) : [];
  return names.flatMap((name) =>
    fs.readdirSync(join(containers, name)).map((attempt) => ({ name, attempt: Number(attempt) })),
  );
}
