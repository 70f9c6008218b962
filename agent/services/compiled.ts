import { isDeepStrictEqual } from 'node:util';

import type { CompiledService } from '../../iptables/model.ts';
import type { CompileContext } from '../../iptables/services.ts';
import type { ServiceView } from './view.ts';

/** One Service that the kernel does not have yet as it should be. */
export interface ServiceChange {
  readonly key: string;
  /** As the last successful sync had it; undefined: not at all. */
  readonly before: CompiledService | undefined;
  readonly after: CompiledService | undefined;
}

/**
 * All Services compiled, and what of them differs from the last successful sync. A change costs the Services that it
 * concerns: only those marked are compiled again, all of them only when what they are compiled for has changed.
 */
export class CompiledServices {
  readonly #view: Pick<ServiceView, 'keys' | 'compile'>;
  readonly #services = new Map<string, CompiledService>();
  readonly #dirty = new Set<string>();
  /** Services that changed since the last successful sync, each as it was then. */
  readonly #pending = new Map<string, CompiledService | undefined>();
  #context: CompileContext | undefined;

  constructor(view: Pick<ServiceView, 'keys' | 'compile'>) {
    this.#view = view;
  }

  get all(): ReadonlyMap<string, CompiledService> {
    return this.#services;
  }

  /** How many Services wait for being compiled or programmed. */
  get waiting(): number {
    let count = this.#pending.size;
    for (const key of this.#dirty) if (!this.#pending.has(key)) count += 1;
    return count;
  }

  /** Whether the kernel may not have this one as it should be. */
  isWaiting(key: string): boolean {
    return this.#dirty.has(key) || this.#pending.has(key);
  }

  mark(keys: Iterable<string>): void {
    for (const key of keys) this.#dirty.add(key);
  }

  /** Compiles what is marked. Returns the keys of all that changed since the last {@link noteSynced}. */
  update(context: CompileContext): ReadonlySet<string> {
    if (context !== this.#context) {
      this.mark(this.#services.keys());
      this.mark(this.#view.keys());
    }
    this.#context = context;
    for (const key of this.#dirty) this.#compile(key, context);
    this.#dirty.clear();
    return new Set(this.#pending.keys());
  }

  /** What {@link update} found, with what was before. */
  *changes(): Iterable<ServiceChange> {
    for (const [key, before] of this.#pending) yield { key, before, after: this.#services.get(key) };
  }

  /** Notes that the kernel has what the last {@link update} compiled. */
  noteSynced(): void {
    this.#pending.clear();
  }

  #compile(key: string, context: CompileContext): void {
    const before = this.#services.get(key);
    const after = this.#compileSafely(key, context);
    if (isDeepStrictEqual(before, after)) return;
    if (after) this.#services.set(key, after);
    else this.#services.delete(key);
    if (!this.#pending.has(key)) this.#pending.set(key, before);
  }

  /** An object that makes no sense in a way nobody foresaw keeps the rules it had; the others go on. */
  #compileSafely(key: string, context: CompileContext): CompiledService | undefined {
    try {
      return this.#view.compile(key, context);
    } catch (error) {
      const before = this.#services.get(key) ?? { key, created: '', frontends: [] };
      const message = error instanceof Error ? error.message : String(error);
      return { ...before, problems: [`the Service or a slice of it cannot be understood: ${message}`] };
    }
  }
}
