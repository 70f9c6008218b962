/**
 * What the agent, the server and the lab tell their user when they cannot go on: one line that says what is
 * wrong, one that says what to do.
 */
export class AgentError extends Error {
  override readonly name = 'AgentError';
  /** For programs, e.g. `not-root`, `port-in-use`, `already-running`. */
  readonly code: string;
  /** What the user can do about it, as an imperative. */
  readonly remedy: string;

  constructor(code: string, message: string, remedy: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.remedy = remedy;
  }
}

/** Several mistakes found together, so that they can be mended together. */
export class AgentErrors extends Error {
  override readonly name = 'AgentErrors';
  readonly errors: readonly AgentError[];

  constructor(errors: readonly AgentError[]) {
    super(errors.map((error) => error.message).join('; '));
    this.errors = errors;
  }
}
