import type { KubeObject } from '../../kinds/meta.ts';
import type { Write } from '../../store/store.ts';

/** What one kind does beyond storing: claims on shared numbers, a slow end. All hooks are optional. */
export interface Strategy<T extends KubeObject = KubeObject> {
  /** Brings fields into agreement, in place, before the object is validated. `old` is there on update. */
  prepare?(object: T, old?: T): void;
  /** Resolves when it is the turn of this change, which lasts until its claims are written; for claims that contend. */
  turn?(object: T, old?: T): Promise<Disposable | undefined>;
  /**
   * Completes a valid new object in place (addresses, ports) and says what its transaction must claim besides.
   * Called again when a claim turns out to be taken.
   */
  claimForCreate?(object: T): Promise<readonly Write[]>;
  /** The same for a change of `old` into `object`. */
  claimForUpdate?(object: T, old: T): Promise<readonly Write[]>;
  /** What to release in the transaction that removes the object. */
  release?(object: T): readonly Write[] | Promise<readonly Write[]>;
  /** Throws StatusError if the object must stay. */
  checkDelete?(object: T): void;
  /** Seconds the object gets to end, given what the request says; kinds without this hook end at once. */
  gracePeriodSeconds?(object: T, requested: number | undefined): number;
  /** Marks the object as ending, in place. */
  markDeleted?(object: T): void;
  /** True while something besides metadata.finalizers keeps the object. */
  isHeld?(object: T): boolean;
}
