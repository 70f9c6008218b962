import type { Event } from '../../api/kinds/event.ts';
import type { CompiledService, NodeSettings } from '../../iptables/model.ts';

/** Whom an Event about rules names, and with what word. */
export interface Subject {
  readonly namespace: string;
  readonly object: Event['involvedObject'];
  readonly reason: string;
}

/** What wants rules beside the cluster's Services: each of its wishes is like a Service, under a key that no object can have. */
export interface RuleSource {
  /** Begins to follow what it makes rules of, and tells the keys of what changed. */
  start(onChange: (keys: readonly string[]) => void): void;
  stop(): void;
  owns(key: string): boolean;
  /** The keys of all that it wants now. */
  keys(): readonly string[];
  compile(key: string, settings: NodeSettings): CompiledService | undefined;
  /** Undefined: there is no object to tell about it. */
  subjectOf(key: string): Subject | undefined;
  /** Addresses of this node for which it has rules, beyond those that the Node object names. */
  addresses(): readonly string[];
}
