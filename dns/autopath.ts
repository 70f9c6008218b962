import { encodeAnswer, renderAnswer, type Answer } from './answer.ts';
import { NOTE, takeNote } from './answer-note.ts';
import { DnsError } from './dns-error.ts';
import { encodeName, renderName } from './names.ts';
import { copyQuery, type Query } from './question.ts';
import type { Message } from './message.ts';
import { FLAG, MAX_NAME_BYTES, RCODE, TYPE } from './wire.ts';
import type { ClusterZone } from './zone.ts';

export interface AutopathOptions {
  readonly zone: ClusterZone;
  /** Domains that pods search after the cluster's: those of the node. */
  readonly search: readonly string[];
  /** What anybody would be answered to a question for this name, of the query's type. */
  readonly ask: (query: Query, name: string) => Promise<Message>;
}

/**
 * Walks a pod's search path for it, as CoreDNS's autopath does. A pod that asks for `www.example.com` asks for
 * `www.example.com.its-namespace.svc.zone` first; where that does not exist it would ask for three more names and then
 * for the bare one. It gets the first answer to any of them at once, behind a CNAME from the name it asked for. Where
 * none of them exists, the answer is that to its question, and it asks for the others itself.
 */
export class Autopath {
  readonly #options: AutopathOptions;
  readonly #search: readonly string[];

  constructor(options: AutopathOptions) {
    this.#options = options;
    this.#search = options.search.flatMap(encodeDomain);
  }

  /** Undefined where the query does not begin a walk of the client's own search path. */
  walk(query: Query, first: Answer): Promise<Uint8Array> | undefined {
    const path = this.#options.zone.searchPathOf(query);
    if (!path) return undefined;
    const { base, domains } = path;
    const names = [...domains, ...this.#search, '\0'].map((domain) => base + domain);
    return this.#walk(copyQuery(query), first, names);
  }

  async #walk(query: Query, first: Answer, names: readonly string[]): Promise<Uint8Array> {
    for (const name of names) {
      if (name.length > MAX_NAME_BYTES) continue;
      const message = await this.#options.ask(query, name);
      if (message.rcode === RCODE.NXDOMAIN) continue;
      takeNote(query, NOTE.OTHER, () => `the search path leads to ${renderName(name)}`);
      return complete(query, message);
    }
    return renderAnswer(query, first);
  }
}

/** Nobody finds names below a domain that is no name. */
function encodeDomain(domain: string): string[] {
  try {
    return [encodeName(domain)];
  } catch (error) {
    if (error instanceof DnsError) return [];
    throw error;
  }
}

/** Another name's answer, as the answer to this query. */
function complete(query: Query, { rcode, flags, answer, authority, additional }: Message): Uint8Array {
  const [head] = answer;
  const alias =
    head && head.name !== query.name
      ? [{ name: query.name, type: TYPE.CNAME, ttlSeconds: head.ttlSeconds, data: head.name }]
      : [];
  const content = {
    rcode,
    flags: FLAG.RA | (flags & (FLAG.AA | FLAG.AD)),
    answer: [...alias, ...answer],
    authority,
    additional,
  };
  return renderAnswer(query, encodeAnswer(content, { nameBytes: query.name.length, suffix: query.name }));
}
