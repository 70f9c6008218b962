import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { execa } from 'execa';
import { listNamespaces, namespacePath, removeNamespace } from '../../netns/namespace.ts';
import { unmountUnder } from './mounts.ts';
import { removeCgroups } from '../pods/cgroups.ts';
import { nodePaths, podCgroup } from '../pods/paths.ts';
import { killAll, listProcesses, listProcessesIn, namespaceIdentity, readArguments } from '../processes.ts';

/** One agent's directories. */
export interface NodeDirectories {
  readonly stateDir: string;
  readonly runDir: string;
}

/**
 * Ends all pods of a node whose agent is gone, and takes away their containers, namespaces, mounts and control
 * groups. Needs nothing but what is on disk and in the kernel, and is fine with any part of it missing.
 */
export async function removePods({ stateDir, runDir }: NodeDirectories): Promise<void> {
  const paths = nodePaths(stateDir, runDir);
  const uids = [...new Set([...listNames(paths.pods), ...listNames(paths.runPods)])];
  // conmon first: it would report the end of its container and write into directories about to vanish.
  await killAll(() => listProcesses((pid) => isMonitorOf(readArguments(pid), paths.pods)));
  for (const id of listNames(paths.runc)) {
    // A container that is half-made, or whose process is gone, makes runc complain; what it leaves is dealt with below.
    await execa('runc', ['--root', paths.runc, 'delete', '--force', id], { reject: false });
  }
  const namespaces = uids.map((uid) => `weft-${uid}`).filter((name) => listNamespaces(name).includes(name));
  const identities = new Set(namespaces.map((name) => namespaceIdentity(namespacePath(name))));
  await killAll(() => listProcessesIn(identities));
  await killAll(() => uids.flatMap((uid) => listCgroupProcesses(podCgroup(uid))));
  unmountUnder(stateDir);
  unmountUnder(runDir);
  for (const name of namespaces) removeNamespace(name);
  for (const uid of uids) await removeCgroups(podCgroup(uid));
}

function isMonitorOf([program = '', ...args]: readonly string[], podsDir: string): boolean {
  return (
    basename(program) === 'conmon' && (args[args.indexOf('--bundle') + 1] ?? '').startsWith(`${podsDir}/`)
  );
}

/** Processes in a control group and its children, in any hierarchy. */
function listCgroupProcesses(path: string): number[] {
  const files = globSync([
    `/sys/fs/cgroup${path}/**/cgroup.procs`,
    `/sys/fs/cgroup/*${path}/**/cgroup.procs`,
  ]);
  return [
    ...new Set(files.flatMap((file) => readFileSync(file, 'utf8').split('\n').filter(Boolean).map(Number))),
  ];
}

function listNames(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
