import type { Pod } from '../../api/kinds/pod.ts';
import { podAddresses } from './container-runs.ts';
import type { NodeTools } from './node-tools.ts';
import type { PodPaths } from './paths.ts';
import type { PodRecord } from './record.ts';
import type { FollowedReferences } from './reference-watches.ts';
import { isApiData } from './volume-files.ts';
import { updateVolumes } from './volumes.ts';

/** Keeps the API data in one running pod's volumes current: Secrets, ConfigMaps, its own labels and annotations. */
export class VolumeUpdates {
  readonly #tools: NodeTools;
  readonly #paths: PodPaths;
  readonly #onChange: () => void;
  #followed: FollowedReferences | undefined;
  #written: string | undefined;

  /** `onChange` is called when {@link sync} has something to do. */
  constructor(tools: NodeTools, paths: PodPaths, onChange: () => void) {
    this.#tools = tools;
    this.#paths = paths;
    this.#onChange = onChange;
  }

  /**
   * Writes what has changed since the last call. Never writes the same state twice: a container's start reads the
   * API itself, and what a watch knows may be older than that.
   */
  sync(pod: Pod, record: PodRecord): void {
    if (Object.keys(record.containers).length === 0 || !pod.spec.volumes?.some(isApiData)) return;
    this.#followed ??= this.#tools.references.follow(pod, this.#onChange);
    const known = this.#followed.read();
    if (known === undefined) return;
    const { labels, annotations } = pod.metadata;
    const state = JSON.stringify([known.version, labels, annotations]);
    if (state === this.#written) return;
    const addresses = podAddresses(this.#tools, pod, record);
    for (const { message } of updateVolumes(this.#paths, { pod, addresses, references: known.references }))
      this.#tools.events.record(pod, { type: 'Warning', reason: 'FailedMount', message });
    this.#written = state;
  }

  stop(): void {
    this.#followed?.[Symbol.dispose]();
    this.#followed = undefined;
  }
}
