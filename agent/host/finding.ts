/** What one look at the host came to. */
export interface Finding {
  /** What was looked at, in a word: `firewall`, `sysctl`, `links`. */
  readonly check: string;
  /**
   * `note`: the agent works, and has something to say; `mended`: it was wrong and weft keeps it right; `unclear`: it could
   * not be judged; `trouble`: it is wrong, and somebody else's to put right.
   */
  readonly state: 'well' | 'note' | 'mended' | 'unclear' | 'trouble';
  /** What was found, a sentence without its full stop. */
  readonly found: string;
  /** With `trouble`: what to do, commands for a root shell or an imperative. */
  readonly remedy?: string;
}

/** `Docker drops …: run …`: what health, log and Event say. */
export function renderFinding({ found, remedy }: Finding): string {
  return remedy === undefined ? found : `${found}; remedy: ${remedy}`;
}
