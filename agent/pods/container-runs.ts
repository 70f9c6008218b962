import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import type { Container } from '../../api/kinds/container.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import { renderEnvironment } from './environment.ts';
import type { PodAddresses } from './field-path.ts';
import type { Image } from './images.ts';
import type { NodeTools } from './node-tools.ts';
import { effectiveSecurity, renderSpec } from './oci-spec.ts';
import type { OciSpec } from './oci-spec.ts';
import { readOomFloor } from './oom-floor.ts';
import { containerPaths, podCgroup } from './paths.ts';
import type { ContainerPaths, PodPaths } from './paths.ts';
import { PodError } from './pod-error.ts';
import { isAlive } from './record.ts';
import type { ContainerRecord, PodRecord, ProcessIdentity, Termination } from './record.ts';
import { fetchReferences } from './references.ts';
import type { References } from './references.ts';
import { mountRootfs, readInside, unmountRootfs } from './rootfs.ts';
import { etcFiles, podHostname } from './sandbox.ts';
import { resolveUser } from './user.ts';
import { ensureVolumes, mountSources } from './volumes.ts';

/** The image a container names. Throws PodError ImageNotFound, saying how to add it. */
export function findImage(tools: NodeTools, container: Container): Image {
  const name = container.image ?? '';
  const image = tools.images.get(name);
  if (image) return image;
  throw new PodError(
    'ImageNotFound',
    container.name,
    `node ${tools.context.nodeName} has no image "${name}": add it there with "weft image add ${name} --host-root -- COMMAND" or "weft image add ${name} --root DIR -- COMMAND"`,
  );
}

/** Everything one run of a container is made of, once it is decided. */
export interface RunRequest {
  readonly pod: Pod;
  readonly record: PodRecord;
  readonly container: Container;
  readonly image: Image;
  readonly run: ContainerRecord;
}

/**
 * Makes one run of a container up to where its program would start: root, bundle, conmon and runc. Throws PodError
 * or, when its Secrets cannot be read, ApiError; what was made is taken away again.
 */
export async function createRun(
  tools: NodeTools,
  paths: PodPaths,
  request: RunRequest,
): Promise<ProcessIdentity> {
  const { pod, container, image, run } = request;
  const here = containerPaths(paths, container.name, run.attempt);
  await removeRun(tools, paths, request.record.uid, run);
  const references = await fetchReferences(tools.context.client, pod);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => removeRun(tools, paths, request.record.uid, run));
  fs.mkdirSync(here.bundle, { recursive: true, mode: 0o700 });
  mountRootfs(here.bundle, image, await tools.skeleton);
  fs.writeFileSync(here.terminationLog, '', { mode: 0o666 });
  const spec = renderRun(tools, paths, here, request, references);
  fs.writeFileSync(join(here.bundle, 'config.json'), JSON.stringify(spec), { mode: 0o600 });
  const process = await tools.runtime.create({
    id: run.id,
    bundle: here.bundle,
    log: here.log,
    pidFile: here.pidFile,
    terminal: container.tty ?? false,
    stdin: !container.stdin ? 'none' : container.stdinOnce ? 'once' : 'stays',
  });
  undo.move();
  return process;
}

function renderRun(
  tools: NodeTools,
  paths: PodPaths,
  here: ContainerPaths,
  { pod, record, container, image }: RunRequest,
  references: References,
): OciSpec {
  const addresses = podAddresses(tools, pod, record);
  const volumes = ensureVolumes(paths, { pod, addresses, references });
  const hostname = podHostname(tools, pod);
  const security = effectiveSecurity(pod, container);
  const { supplementalGroups = [], fsGroup } = pod.spec.securityContext ?? {};
  const environment = renderEnvironment({
    pod,
    container,
    addresses,
    references,
    imageEnvironment: image.env,
    serviceEnvironment: record.serviceEnvironment,
    hostname,
  });
  const user = resolveUser(
    {
      imageUser: image.user,
      runAsUser: security.runAsUser,
      runAsGroup: security.runAsGroup,
      runAsNonRoot: security.runAsNonRoot ?? false,
      supplementalGroups: fsGroup === undefined ? supplementalGroups : [...supplementalGroups, fsGroup],
      passwd: readInside(here.rootfs, '/etc/passwd'),
      group: readInside(here.rootfs, '/etc/group'),
    },
    container.name,
  );
  const own = etcFiles.map((name): [string, string] => [`/etc/${name}`, join(paths.etc, name)]);
  const terminationLog = container.terminationMessagePath ?? '/dev/termination-log';
  return renderSpec({
    pod,
    container,
    image,
    environment,
    user,
    hostname,
    netns: pod.spec.hostNetwork ? undefined : record.netns,
    rootfs: here.rootfs,
    oomFloor: readOomFloor(),
    mountSources: mountSources(container, volumes, environment),
    files: { ...Object.fromEntries(own), [terminationLog]: here.terminationLog },
  });
}

/** The addresses that a pod's fieldRefs name. */
export function podAddresses(tools: NodeTools, pod: Pod, record: PodRecord): PodAddresses {
  const hostIPs = tools.context.config.nodeIPs;
  return { podIPs: pod.spec.hostNetwork ? hostIPs : record.ips, hostIPs };
}

/** How a run ended: undefined while it runs. A run of an earlier boot, or without conmon, ended unseen. */
export function observeEnd(
  tools: NodeTools,
  paths: PodPaths,
  record: PodRecord,
  run: ContainerRecord,
): Termination | undefined {
  const { startedAt, process } = run;
  if (startedAt === undefined || process === undefined) return undefined;
  const exit = tools.runtime.readExit(run.id);
  if (exit) {
    const { bundle, terminationLog } = containerPaths(paths, run.name, run.attempt);
    const killedForMemory = fs.existsSync(join(bundle, 'oom'));
    return {
      id: run.id,
      exitCode: exit.exitCode,
      reason: killedForMemory ? 'OOMKilled' : exit.exitCode === 0 ? 'Completed' : 'Error',
      message: fs.existsSync(terminationLog) ? fs.readFileSync(terminationLog, 'utf8').slice(0, 4096) : '',
      startedAt,
      finishedAt: exit.finishedAt.toISOString(),
    };
  }
  if (record.bootId === tools.bootId && isAlive(process)) return undefined;
  // conmon writes the code right after the end; what it has not said by now it never will.
  if (record.bootId === tools.bootId && isConmonAlive(paths, run)) return undefined;
  const finishedAt = new Date().toISOString();
  const message = 'its end was not seen (the node restarted, or its monitor was killed)';
  return { id: run.id, exitCode: 255, reason: 'Unknown', message, startedAt, finishedAt };
}

function isConmonAlive(paths: PodPaths, run: ContainerRecord): boolean {
  const file = join(containerPaths(paths, run.name, run.attempt).bundle, 'conmon.pid');
  if (!fs.existsSync(file)) return false;
  const pid = Number(fs.readFileSync(file, 'utf8'));
  const comm = `/proc/${pid}/comm`;
  return fs.existsSync(comm) && fs.readFileSync(comm, 'utf8').trim() === 'conmon';
}

/** Takes one run away: processes, control group, mounts, files. Its log stays. Nothing there is fine. */
export async function removeRun(
  tools: Pick<NodeTools, 'runtime'>,
  paths: PodPaths,
  uid: string,
  run: Pick<ContainerRecord, 'name' | 'attempt' | 'id'>,
): Promise<void> {
  const { bundle } = containerPaths(paths, run.name, run.attempt);
  await tools.runtime.remove(run.id, join(podCgroup(uid), run.name));
  unmountRootfs(bundle);
  fs.rmSync(bundle, { recursive: true, force: true });
}

/** Of a container's logs, keeps those of the newest two runs: the current one and `kubectl logs --previous`. */
export function removeOldLogs(paths: PodPaths, name: string, attempt: number): void {
  const dir = dirname(containerPaths(paths, name, attempt).log);
  for (const file of fs.existsSync(dir) ? fs.readdirSync(dir) : []) {
    if (Number.parseInt(file, 10) < attempt - 1) fs.rmSync(join(dir, file), { force: true });
  }
}
