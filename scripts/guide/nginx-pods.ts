import type { Pod } from '../../api/kinds/pod.ts';
import { eventually, type LabShell } from './lab-shell.ts';

/** The guide's label. */
export const selector = ['-l', 'app=nginx'];

/** The nginx pods once exactly `count` run and are ready, none of them named in `except`. */
export function runningPods(
  shell: LabShell,
  count: number,
  except: ReadonlySet<string | undefined> = new Set(),
): Promise<Pod[]> {
  return eventually(async () => {
    const pods = await shell.pods(...selector);
    const ready = pods.filter(
      ({ metadata, status }) =>
        !metadata.deletionTimestamp &&
        !except.has(metadata.name) &&
        status?.phase === 'Running' &&
        status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
    );
    expectCount(ready, count);
    return ready;
  }, 60_000);
}

export function expectCount(pods: readonly Pod[], count: number): void {
  if (pods.length !== count) throw new Error(`${pods.length} pods instead of ${count}`);
}

/** Throws unless each pod is on a node of its own. */
export function expectSpread(pods: readonly Pod[]): void {
  const nodes = pods.map(({ spec }) => spec.nodeName);
  if (new Set(nodes).size !== nodes.length) throw new Error(`pods share a node: ${nodes.join(' ')}`);
}

export function podNames(pods: readonly Pod[]): Set<string | undefined> {
  return new Set(pods.map(({ metadata }) => metadata.name));
}

export function address(pod: Pod): string {
  return pod.status?.podIP ?? '?';
}
