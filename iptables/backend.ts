import type { RulesError } from './error.ts';
import type { Ruleset } from './model.ts';

export interface SyncResult {
  /** Number of chains, rules or elements that had to be changed; 0 when the kernel was right already. */
  readonly changes: number;
  /** Services that the kernel refused, each with its reason. All others are programmed. */
  readonly refused: ReadonlyMap<string, RulesError>;
}

/**
 * Programs a {@link Ruleset} into the network namespace of this process. One sync at a time.
 *
 * A sync is one transaction per family: packets meet the old rules or the new ones. A transaction that the kernel
 * refuses leaves the old rules standing; the Service at fault is then found and left out.
 */
export interface Backend {
  readonly name: 'iptables' | 'nftables';

  /**
   * Makes the kernel hold `rules`.
   * With `changed`, only these Services differ from the last sync and only they are looked at; a change of the
   * settings is always noticed. Without it, the kernel is read and everything is compared: at start, after outside
   * changes and now and then.
   * @throws RulesError when nothing could be applied; the caller then syncs again without `changed`.
   */
  sync(rules: Ruleset, changed?: ReadonlySet<string>): Promise<SyncResult>;

  /** Whether rules can tell if a packet has a socket to go to: `NodeSettings.dnsFallback` needs it. Changes nothing. */
  findsSockets(): Promise<boolean>;

  /** Removes every trace of ours and nothing else. Returns whether there was any. */
  remove(): Promise<boolean>;
}
