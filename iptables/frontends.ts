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

/** One Service's claim on a frontend. Nearly every frontend has one only: a list that costs nothing more then. */
interface Claim {
  readonly key: string;
  readonly created: string;
  readonly frontend: Frontend;
  readonly next: Claim | undefined;
}

/** Which Service has which frontend: the one place where Services can get in each other's way. */
export class FrontendTable {
  readonly #services = new Map<string, CompiledService>();
  /** Every claim on a frontend, by its id. */
  readonly #claims = new Map<string, Claim>();
  /** Frontends that more than one Service claims. */
  readonly #contested = new Set<string>();

  /** Puts `service` in the place of what `key` had before, or removes it. Returns what differs afterwards. */
  update(key: string, service: CompiledService | undefined): FrontendChange[] {
    const gone = this.#services.get(key)?.frontends.map(frontendId) ?? [];
    const come = service?.frontends.map(frontendId) ?? [];
    const before = new Map([...gone, ...come].map((id) => [id, this.#winner(id)?.frontend]));
    for (const id of gone) this.#setClaims(id, withoutKey(this.#claims.get(id), key));
    if (service) this.#services.set(key, service);
    else this.#services.delete(key);
    for (const [index, frontend] of service?.frontends.entries() ?? []) {
      const id = come[index] ?? '';
      // A Service that names an address twice (clusterIP and externalIP) has it by its first claim.
      if (come.indexOf(id) < index) continue;
      this.#setClaims(id, { key, created: service?.created ?? '', frontend, next: this.#claims.get(id) });
    }
    const changes = Array.from(before, ([id, was]) => ({
      id,
      before: was,
      after: this.#winner(id)?.frontend,
    }));
    return changes.filter((change) => !isDeepStrictEqual(change.before, change.after));
  }

  get(key: string): CompiledService | undefined {
    return this.#services.get(key);
  }

  keys(): Iterable<string> {
    return this.#services.keys();
  }

  /** All frontends, each as the one Service asks that has it. */
  *owned(): Iterable<Frontend> {
    for (const id of this.#claims.keys()) {
      const winner = this.#winner(id);
      if (winner) yield winner.frontend;
    }
  }

  /** Services that go without a frontend because an older Service has it, each with the reason. */
  listConflicts(): Map<string, RulesError> {
    const conflicts = new Map<string, RulesError>();
    for (const id of this.#contested) {
      const winner = this.#winner(id);
      for (let claim = this.#claims.get(id); claim; claim = claim.next) {
        if (claim.key === winner?.key) continue;
        const { kind, address = '', port, protocol } = claim.frontend;
        const what = `${kind} ${address} port ${String(port)}/${protocol}`;
        const message = `${what} belongs to the older Service ${winner?.key ?? ''}`;
        conflicts.set(claim.key, new RulesError('CONFLICT', message, { service: claim.key }));
      }
    }
    return conflicts;
  }

  #setClaims(id: string, claims: Claim | undefined): void {
    if (claims) this.#claims.set(id, claims);
    else this.#claims.delete(id);
    if (claims?.next) this.#contested.add(id);
    else this.#contested.delete(id);
  }

  #winner(id: string): Claim | undefined {
    const first = this.#claims.get(id);
    let winner = first;
    for (let claim = first?.next; claim; claim = claim.next) {
      if (winner && rank(claim) < rank(winner)) winner = claim;
    }
    return winner;
  }
}

/** The oldest Service has a frontend; of two of the same second, the first by name. */
function rank({ created, key }: Claim): string {
  return `${created} ${key}`;
}

function withoutKey(claims: Claim | undefined, key: string): Claim | undefined {
  if (!claims) return undefined;
  const next = withoutKey(claims.next, key);
  if (claims.key === key) return next;
  return next === claims.next ? claims : { ...claims, next };
}
