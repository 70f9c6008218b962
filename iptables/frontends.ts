import { isDeepStrictEqual } from 'node:util';

import { RulesError } from './error.ts';
import { frontendId } from './model.ts';
import type { CompiledService, Frontend } from './model.ts';

/** One frontend that appeared, changed or went. */
export interface FrontendChange {
  readonly id: string;
  readonly before: Frontend | undefined;
  readonly after: Frontend | undefined;
}

/** Which Service has which frontend: the one place where Services can get in each other's way. */
export class FrontendTable {
  readonly #services = new Map<string, CompiledService>();
  /** Every claim on a frontend, by frontend and Service. */
  readonly #claims = new Map<string, Map<string, Frontend>>();
  /** The claims that won. */
  readonly #owned = new Map<string, Frontend>();
  /** Frontends that more than one Service claims. */
  readonly #contested = new Set<string>();

  /** Puts `service` in the place of what `key` had before, or removes it. Returns what differs afterwards. */
  update(key: string, service: CompiledService | undefined): FrontendChange[] {
    const touched = new Set<string>();
    for (const frontend of this.#services.get(key)?.frontends ?? []) {
      const id = frontendId(frontend);
      this.#claims.get(id)?.delete(key);
      touched.add(id);
    }
    if (service) this.#services.set(key, service);
    else this.#services.delete(key);
    for (const frontend of service?.frontends ?? []) {
      const id = frontendId(frontend);
      const claims = this.#claims.get(id) ?? new Map<string, Frontend>();
      this.#claims.set(id, claims);
      // A Service that names an address twice (clusterIP and externalIP) has it by its first claim.
      if (!claims.has(key)) claims.set(key, frontend);
      touched.add(id);
    }
    return [...touched].map((id) => this.#settle(id)).filter((change) => change !== undefined);
  }

  get(key: string): CompiledService | undefined {
    return this.#services.get(key);
  }

  keys(): Iterable<string> {
    return this.#services.keys();
  }

  /** All frontends, each as the one Service asks that has it. */
  owned(): Iterable<Frontend> {
    return this.#owned.values();
  }

  /** Services that go without a frontend because an older Service has it, each with the reason. */
  listConflicts(): Map<string, RulesError> {
    const conflicts = new Map<string, RulesError>();
    for (const id of this.#contested) {
      const winner = this.#winner(id) ?? '';
      for (const [loser, frontend] of this.#claims.get(id) ?? []) {
        if (loser === winner) continue;
        const what = `${frontend.kind} ${frontend.address ?? ''} port ${String(frontend.port)}/${frontend.protocol}`;
        conflicts.set(
          loser,
          new RulesError('CONFLICT', `${what} belongs to the older Service ${winner}`, { service: loser }),
        );
      }
    }
    return conflicts;
  }

  #settle(id: string): FrontendChange | undefined {
    const before = this.#owned.get(id);
    const winner = this.#winner(id);
    const after = winner === undefined ? undefined : this.#claims.get(id)?.get(winner);
    if (after) this.#owned.set(id, after);
    else this.#owned.delete(id);
    const claims = this.#claims.get(id)?.size ?? 0;
    if (claims === 0) this.#claims.delete(id);
    if (claims > 1) this.#contested.add(id);
    else this.#contested.delete(id);
    return isDeepStrictEqual(before, after) ? undefined : { id, before, after };
  }

  #winner(id: string): string | undefined {
    const keys = [...(this.#claims.get(id)?.keys() ?? [])];
    if (keys.length < 2) return keys[0];
    const rank = (key: string): string => `${this.#services.get(key)?.created ?? ''} ${key}`;
    return keys.reduce((first, key) => (rank(key) < rank(first) ? key : first));
  }
}
