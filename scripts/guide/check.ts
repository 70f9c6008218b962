import type { Pod } from '../../api/kinds/pod.ts';
import type { Service } from '../../api/kinds/service.ts';
import type { LabShell } from './lab-shell.ts';

/** One thing the guide promises, and how to see that it is so. */
export interface GuideCheck {
  readonly name: string;
  /** True when the check can be made again at any later time and changes nothing then. */
  readonly looks?: true;
  /** Returns what was seen; throws when it is not what the guide promises. */
  readonly run: (walk: WalkState) => Promise<string>;
}

/** What later checks need of earlier ones. */
export interface WalkState {
  readonly shell: LabShell;
  /** Names of the lab's nodes. */
  readonly nodes: readonly string[];
  /** The nginx pods there are now. */
  pods: Pod[];
  /** The Service nginxsvc as the API has it now. */
  service: Service | undefined;
}

export function startWalk(shell: LabShell, nodes: readonly string[]): WalkState {
  return { shell, nodes, pods: [], service: undefined };
}

/** The Service that an earlier check has made. */
export function serviceOf({ service }: WalkState): Service {
  if (!service) throw new Error('the Service nginxsvc was not made');
  return service;
}
