import { RulesError } from './error.ts';

/** What of ours is in the kernel. */
export interface Listing {
  /** Elements by object, keys and values in nft's own notation. Objects that are there but empty have an empty map. */
  readonly elements: Map<string, Map<string, string | undefined>>;
  /** Each chain's hook and rules as one text: equal texts do the same. */
  readonly chains: Map<string, string>;
}

interface JsonObject {
  readonly name: string;
  readonly elem?: readonly unknown[];
}

interface JsonRule {
  readonly chain: string;
  readonly expr: unknown;
}

/**
 * Parses `nft -j list table inet weft`.
 * @throws RulesError UNREADABLE
 */
export function parseListing(text: string): Listing {
  const elements = new Map<string, Map<string, string | undefined>>();
  const chains = new Map<string, string>();
  try {
    const { nftables } = JSON.parse(text) as { nftables: Record<string, unknown>[] };
    for (const entry of nftables) {
      const object = (entry['set'] ?? entry['map']) as JsonObject | undefined;
      if (object) elements.set(object.name, parseElements(object.elem ?? []));
      const { handle: _, ...chain } = (entry['chain'] ?? {}) as Record<string, unknown>;
      if (typeof chain['name'] === 'string') chains.set(chain['name'], JSON.stringify(chain));
      const rule = entry['rule'] as JsonRule | undefined;
      if (rule) chains.set(rule.chain, `${chains.get(rule.chain) ?? ''}\n${JSON.stringify(rule.expr)}`);
    }
  } catch (error) {
    throw new RulesError('UNREADABLE', 'nft -j list table: the answer is not what was expected', {
      cause: error,
    });
  }
  return { elements, chains };
}

function parseElements(elements: readonly unknown[]): Map<string, string | undefined> {
  return new Map(
    elements.map((element) => {
      if (!Array.isArray(element)) return [textOf(element), undefined];
      const [key, value] = element as unknown[];
      return [textOf(key), textOf(value)];
    }),
  );
}

/** One value of nft's JSON schema (libnftables-json(5)) in nft's command notation. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  const object = value as Record<string, unknown>;
  if (Array.isArray(object['concat'])) return object['concat'].map(textOf).join(' . ');
  const prefix = object['prefix'] as { addr: string; len: number } | undefined;
  if (prefix) return `${prefix.addr}/${String(prefix.len)}`;
  const verdict = object['goto'] as { target: string } | undefined;
  if (verdict) return `goto ${verdict.target}`;
  // An element with a timeout or counter is wrapped together with them.
  const wrapped = object['elem'] as { val: unknown } | undefined;
  if (wrapped) return textOf(wrapped.val);
  return JSON.stringify(value);
}
