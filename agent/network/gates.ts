import type { Attachment } from './attachment.ts';
import { NetworkError } from './network-error.ts';

/**
 * Something that an attachment needs beside its link: rules for its ports, policies. Undefined: it needs none, so nobody
 * waits. After `signal` nobody does either.
 */
export interface Gate {
  /** Resolves once it is in force, before the attachment's first packet. Throwing keeps the attachment out. */
  admit(attachment: Attachment, signal: AbortSignal): Promise<void> | undefined;
  /** Resolves once nothing of it is in force. Nobody is kept from going: whoever throws goes on trying. */
  dismiss(attachment: Attachment, signal: AbortSignal): Promise<void> | undefined;
}

const words = {
  admit: (id: string) => `what must be in force before ${id} starts is not`,
  dismiss: (id: string) => `what was in force for ${id} still is`,
} as const;

/** Which gates there are, and how long those who come and go wait for them. */
export class Gates {
  readonly #gates = new Set<Gate>();
  readonly #limitsMs: Readonly<Record<keyof Gate, number>>;

  /** @param limitsMs how long those who come and go wait */
  constructor(limitsMs: Readonly<Record<keyof Gate, number>>) {
    this.#limitsMs = limitsMs;
  }

  add(gate: Gate): void {
    this.#gates.add(gate);
  }

  /** Waits until every gate has let the attachment in. @throws NetworkError `not-ready` when one did not in time */
  admit(attachment: Attachment): Promise<void> {
    return this.#pass('admit', attachment);
  }

  /** Waits until nothing is in force for it any more. @throws NetworkError `not-ready` when something still is */
  dismiss(attachment: Attachment): Promise<void> {
    return this.#pass('dismiss', attachment);
  }

  async #pass(way: keyof Gate, attachment: Attachment): Promise<void> {
    const ending = new AbortController();
    const passing = Array.from(this.#gates, (gate) => gate[way](attachment, ending.signal)).filter(
      (promise) => promise !== undefined,
    );
    if (passing.length === 0) return;
    const late = Promise.withResolvers<never>();
    const limitMs = this.#limitsMs[way];
    const timer = setTimeout(() => {
      const message = `${words[way](attachment.id)} after ${limitMs} ms`;
      late.reject(new NetworkError('not-ready', message));
    }, limitMs);
    try {
      await Promise.race([Promise.all(passing), late.promise]);
    } finally {
      clearTimeout(timer);
      ending.abort();
    }
  }
}
