import { hash } from 'node:crypto';

import type { Rule } from './iptables-rules.ts';

/** Makes the rules of one chain. */
export type Source = () => readonly Rule[];

/** A chain's rules as iptables-save prints them and iptables-restore reads them, and the digest of that text. */
export interface RenderedChain {
  readonly text: string;
  readonly digest: string;
}

/** What is remembered of a chain instead of its rules: 50,000 of these take more memory than all else together. */
export function digestOf(text: string): string {
  return hash('sha256', text, 'base64');
}

/** The digest of a chain without rules. */
export const emptyDigest = digestOf('');

/** The chains that one table should have, as what makes their rules. */
export class WantedChains {
  readonly #sources = new Map<string, Source>();
  /** Digests of the chains that have been rendered since they were set. */
  readonly #digests = new Map<string, string>();

  get size(): number {
    return this.#sources.size;
  }

  has(chain: string): boolean {
    return this.#sources.has(chain);
  }

  names(): Iterable<string> {
    return this.#sources.keys();
  }

  /** Undefined: the chain should not be there. */
  set(chain: string, source: Source | undefined): void {
    this.#digests.delete(chain);
    if (source) this.#sources.set(chain, source);
    else this.#sources.delete(chain);
  }

  clear(): void {
    this.#sources.clear();
    this.#digests.clear();
  }

  /** The chain if its rules are not the ones of `digest`. */
  renderUnless(digest: string | undefined, chain: string): RenderedChain | undefined {
    if (digest !== undefined && this.#digests.get(chain) === digest) return undefined;
    const rules = this.#sources.get(chain)?.() ?? [];
    const text = rules.map((rule) => `-A ${chain} ${rule}\n`).join('');
    const rendered = { text, digest: digestOf(text) };
    this.#digests.set(chain, rendered.digest);
    return rendered.digest === digest ? undefined : rendered;
  }
}
