import type { Logger } from 'pino';
import type { AgentContext } from '../subsystem.ts';
import type { EventRecorder } from './events.ts';
import type { ImageTable } from './images.ts';
import type { NodePaths } from './paths.ts';
import type { PodNetworkDoor } from './pod-network-door.ts';
import type { ReferenceWatches } from './reference-watches.ts';
import type { Runtime } from './runtime.ts';
import type { Skeleton } from './skeleton.ts';

/** What all pods of one node share. */
export interface NodeTools {
  readonly context: AgentContext;
  readonly paths: NodePaths;
  readonly bootId: string;
  readonly network: PodNetworkDoor;
  readonly images: ImageTable;
  readonly runtime: Runtime;
  /** Being made when the agent starts: the first container waits for it, the node does not. */
  readonly skeleton: Promise<Skeleton>;
  readonly references: ReferenceWatches;
  readonly events: EventRecorder;
  readonly log: Logger;
}
