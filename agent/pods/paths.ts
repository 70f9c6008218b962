import { createHash } from 'node:crypto';
import { join } from 'node:path';

/** Where one node's pods live on disk. */
export interface NodePaths {
  /** One directory per pod: record, logs, containers. Durable. */
  readonly pods: string;
  /** The layers that stand between the host's root and containers. Durable. */
  readonly skeletons: string;
  /** Per-pod volatile state: volumes of API data. */
  readonly runPods: string;
  /** runc's own state. */
  readonly runc: string;
  /** In a chroot, the way to runc by which containers are made. */
  readonly rootedRunc: string;
  /** conmon writes one file per ended container here: its exit code. */
  readonly exits: string;
  /** conmon's short links to its sockets (a socket's path holds 107 bytes). */
  readonly sockets: string;
}

export function nodePaths(stateDir: string, runDir: string): NodePaths {
  return {
    pods: join(stateDir, 'pods'),
    skeletons: join(stateDir, 'skeletons'),
    runPods: join(runDir, 'pods'),
    runc: join(runDir, 'runc'),
    rootedRunc: join(runDir, 'rooted-runc'),
    exits: join(runDir, 'exits'),
    sockets: join(runDir, 'conmon'),
  };
}

/** Where one pod lives on disk. */
export interface PodPaths {
  readonly dir: string;
  readonly record: string;
  /** The pod's own hosts, hostname and resolv.conf. */
  readonly etc: string;
  readonly volumes: string;
  readonly runDir: string;
  readonly memoryVolumes: string;
}

export function podPaths(node: NodePaths, uid: string): PodPaths {
  const dir = join(node.pods, uid);
  const runDir = join(node.runPods, uid);
  return {
    dir,
    record: join(dir, 'pod.json'),
    etc: join(dir, 'etc'),
    volumes: join(dir, 'volumes'),
    runDir,
    memoryVolumes: join(runDir, 'volumes'),
  };
}

/** Where one run of a container lives on disk. */
export interface ContainerPaths {
  /** The OCI bundle: config.json, the layers, rootfs. */
  readonly bundle: string;
  readonly rootfs: string;
  readonly pidFile: string;
  /** What the container writes to its terminationMessagePath. */
  readonly terminationLog: string;
  readonly log: string;
}

export function containerPaths(pod: PodPaths, name: string, attempt: number): ContainerPaths {
  const bundle = join(pod.dir, 'containers', name, String(attempt));
  return {
    bundle,
    rootfs: join(bundle, 'rootfs'),
    pidFile: join(bundle, 'pid'),
    terminationLog: join(bundle, 'termination-log'),
    log: join(pod.dir, 'logs', name, `${attempt}.log`),
  };
}

/** A run's identifier for runc and conmon: the same for the same run, unique on the machine. */
export function containerId(uid: string, name: string, attempt: number): string {
  return createHash('sha256').update(`${uid}/${name}/${attempt}`).digest('hex').slice(0, 32);
}

/** A pod's control group; at the top level, because a shared parent could vanish under a starting container. */
export function podCgroup(uid: string): string {
  return `/weft-${uid}`;
}
