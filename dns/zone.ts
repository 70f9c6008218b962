import { encodeAnswer, type Answer } from './answer.ts';
import {
  addressBytes,
  encodeLabel,
  encodeName,
  lowerCase,
  parseDashedAddress,
  reverseZones,
} from './names.ts';
import type { NamedService } from './named-service.ts';
import { PodAddresses } from './pod-addresses.ts';
import type { Query } from './question.ts';
import { authorityData, targetOf, textData, type ResourceRecord } from './records.ts';
import {
  fixedSource,
  serviceSource,
  type RecordsByName,
  type RecordSettings,
  type RecordSource,
} from './service-records.ts';
import { FLAG, RCODE, TYPE } from './wire.ts';
import { createApex, isNameWithin, isWithin, reverseRcode, type Apex } from './zone-apex.ts';
import { recordsIn, ZoneEntries, type Entry } from './zone-entries.ts';

/** What names of the form `10-1-2-3.namespace.pod.zone` mean; the words are CoreDNS's. */
type PodNames =
  /** Nothing: they do not exist. */
  | 'disabled'
  /** The address they spell, in every namespace that exists. */
  | 'insecure'
  /** The address they spell, where a pod of that namespace has it. */
  | 'verified';

export interface ZoneOptions {
  /** The cluster's zone, e.g. `cluster.local`. */
  readonly zone: string;
  /** Addresses of this server as the cluster knows it, for the zone's NS record. */
  readonly dnsIPs: readonly string[];
  /** Ranges whose reverse names are ours: an unknown address in them does not exist. */
  readonly cidrs: readonly string[];
  readonly pods: PodNames;
  /** Of all records, and of negative answers. Default 5. */
  readonly ttlSeconds?: number;
  /** The SOA serial to start from; each change adds one. Default 1. */
  readonly serial?: number;
}

/** More aliases than this in a row are taken for a loop. */
const MAX_ALIASES = 8;

/**
 * What the cluster's DNS knows: names of Services, endpoints, namespaces and pods. Changed key by key, so that
 * a change costs what changed; looked up without parsing, scanning or encoding. Knows nothing of sockets.
 */
export class ClusterZone {
  readonly #options: ZoneOptions;
  readonly #settings: RecordSettings;
  readonly #apex: Apex;
  readonly #reverseApexes = new Map<string, Apex>();
  readonly #reverseLabelCounts: readonly number[];
  readonly #entries = new ZoneEntries();
  readonly #namespaces = new Set<string>();
  readonly #pods = new PodAddresses();
  readonly #podSuffix: string;
  readonly #minimal: ResourceRecord[];
  #serial: number;

  constructor(options: ZoneOptions) {
    const zone = encodeName(options.zone);
    this.#options = options;
    this.#settings = { zone, ttlSeconds: options.ttlSeconds ?? 5 };
    this.#serial = options.serial ?? 1;
    this.#podSuffix = encodeLabel('pod') + zone;
    this.#apex = createApex(zone);
    for (const name of options.cidrs.flatMap(reverseZones)) this.#reverseApexes.set(name, createApex(name));
    this.#reverseLabelCounts = [...new Set(this.#reverseApexes.values().map(({ labels }) => labels))];
    // RFC 8482 section 4.2.
    this.#minimal = [this.#record('', TYPE.HINFO, textData('RFC8482', ''))];
    this.#replace('', fixedSource(this.#fixedRecords()));
  }

  /** Sets or, with `undefined`, removes the names of the Service `key`, e.g. `default/web`. */
  setService(key: string, service: NamedService | undefined): void {
    this.#replace(`service ${key}`, service && serviceSource(service, this.#settings));
  }

  setNamespace(name: string, exists: boolean): void {
    const label = lowerCase(encodeLabel(name));
    const names = new Map<string, ResourceRecord[]>();
    if (exists) {
      this.#namespaces.add(label);
      names.set(label + encodeLabel('svc') + this.#apex.name, []);
      if (this.#options.pods !== 'disabled') names.set(label + this.#podSuffix, []);
    } else this.#namespaces.delete(label);
    this.#replace(`namespace ${name}`, fixedSource(names));
  }

  /** Sets a pod's addresses, for pod names in mode `verified`; none removes the pod. */
  setPod(key: string, namespace: string, addresses: readonly string[]): void {
    const label = lowerCase(encodeLabel(namespace));
    this.#pods.set(
      key,
      new Set(addresses.flatMap((address) => addressBytes(address) ?? []).map((b) => label + b)),
    );
  }

  /** Whether the name is in the cluster's zone or in a reverse zone of its ranges. */
  covers(query: Query): boolean {
    return this.#apexOf(query) !== undefined;
  }

  /**
   * The answer to a query of class IN; undefined where the name is not ours. An answer with `alias` ends in a
   * CNAME to a name that is not ours: {@link aliases} has its records.
   */
  lookup(query: Query): Answer | undefined {
    const entry = this.#entries.get(query.name);
    if (entry) return entry.answers?.get(query.type) ?? this.#answerFrom(entry, query);
    const apex = this.#apexOf(query);
    if (!apex) return undefined;
    if (apex !== this.#apex) return this.#negative(query, apex, reverseRcode(query, apex));
    const pod = this.#podAnswer(query);
    return pod ?? this.#negative(query, apex, RCODE.NXDOMAIN);
  }

  /** The CNAME records from `name` on, as far as they are ours, and the name they lead to. */
  aliases(name: string): { records: ResourceRecord[]; target: string } {
    const records: ResourceRecord[] = [];
    let target = name;
    for (;;) {
      const [alias] = this.#recordsAt(target, TYPE.CNAME);
      if (!alias || records.length === MAX_ALIASES) return { records, target };
      records.push(alias);
      target = alias.data;
    }
  }

  /** Builds the answer to a question that was not asked yet since the name's last change. */
  #answerFrom(entry: Entry, query: Query): Answer {
    const { type } = query;
    if (type === TYPE.ANY)
      return this.#positive(
        query,
        this.#minimal.map((r) => ({ ...r, name: query.name })),
      );
    const apex = this.#apexOf(query) ?? this.#apex;
    const records =
      type === TYPE.SOA && query.name === apex.name ? [this.#authority(apex)] : recordsIn(entry, type);
    if (records.length > 0) {
      const answer = this.#positive(query, records);
      (entry.answers ??= new Map()).set(type, answer);
      return answer;
    }
    if (recordsIn(entry, TYPE.CNAME).length > 0) return this.#aliasAnswer(query);
    return this.#negative(query, apex, RCODE.NOERROR);
  }

  #positive(query: Query, answer: readonly ResourceRecord[]): Answer {
    return encodeAnswer(
      { rcode: RCODE.NOERROR, flags: FLAG.AA | FLAG.RA, answer, additional: this.#addressesOf(answer) },
      { nameBytes: query.name.length, suffix: query.name },
    );
  }

  /** Not kept: it depends on names that change on their own. */
  #aliasAnswer(query: Query): Answer {
    const { records, target } = this.aliases(query.name);
    const found = this.#recordsAt(target, query.type);
    const inside = isNameWithin(target, this.#apex);
    const missing = inside && found.length === 0;
    const looped = records.length === MAX_ALIASES;
    const answer = encodeAnswer(
      {
        rcode: looped
          ? RCODE.SERVFAIL
          : missing && !this.#entries.has(target)
            ? RCODE.NXDOMAIN
            : RCODE.NOERROR,
        flags: FLAG.AA | FLAG.RA,
        answer: [...records, ...found],
        authority: missing ? [this.#authority(this.#apex)] : [],
      },
      { nameBytes: query.name.length, suffix: query.name },
    );
    return inside || looped ? answer : { ...answer, alias: target };
  }

  /** RFC 2308 section 2: no such name, or no such records, proven by the zone's SOA. */
  #negative(query: Query, apex: Apex, rcode: number): Answer {
    const nameBytes = query.name.length;
    const key = (rcode << 8) | nameBytes;
    let answer = apex.negatives.get(key);
    if (!answer) {
      answer = encodeAnswer(
        { rcode, flags: FLAG.AA | FLAG.RA, authority: [this.#authority(apex)] },
        { nameBytes, suffix: apex.name },
      );
      apex.negatives.set(key, answer);
    }
    return answer;
  }

  #podAnswer(query: Query): Answer | undefined {
    const { name, type, labelStarts } = query;
    if (this.#options.pods === 'disabled' || query.labels !== this.#apex.labels + 3) return undefined;
    if (name.slice(labelStarts[2]) !== this.#podSuffix) return undefined;
    const namespace = name.slice(labelStarts[1], labelStarts[2]);
    const bytes = parseDashedAddress(name.slice(1, labelStarts[1]));
    if (bytes === undefined || !this.#namespaces.has(namespace)) return undefined;
    if (this.#options.pods === 'verified' && !this.#pods.has(namespace + bytes)) return undefined;
    const addressType = bytes.length === 4 ? TYPE.A : TYPE.AAAA;
    if (type === TYPE.ANY)
      return this.#positive(
        query,
        this.#minimal.map((r) => ({ ...r, name })),
      );
    if (type !== addressType) return this.#negative(query, this.#apex, RCODE.NOERROR);
    return this.#positive(query, [this.#record(name, type, bytes)]);
  }

  /** The zone of ours that the name lies in. */
  #apexOf(query: Query): Apex | undefined {
    if (isWithin(query, this.#apex)) return this.#apex;
    for (const labels of this.#reverseLabelCounts) {
      const start = query.labelStarts[query.labels - labels];
      if (query.labels < labels || start === undefined) continue;
      const apex = this.#reverseApexes.get(query.name.slice(start));
      if (apex) return apex;
    }
    return undefined;
  }

  /** Addresses, as far as we know them, of the names that records lead to. */
  #addressesOf(records: readonly ResourceRecord[]): ResourceRecord[] {
    if (records[0]?.type !== TYPE.SRV && records[0]?.type !== TYPE.NS) return [];
    const targets = new Set(records.flatMap((record) => targetOf(record) ?? []));
    return [...targets].flatMap((target) =>
      [TYPE.A, TYPE.AAAA].flatMap((type) => this.#recordsAt(target, type)),
    );
  }

  #recordsAt(name: string, type: number): ResourceRecord[] {
    const entry = this.#entries.get(name);
    return entry ? recordsIn(entry, type) : [];
  }

  /** Puts an owner's records in place of those it had, and a new serial into what proves that others are missing. */
  #replace(owner: string, source: RecordSource | undefined): void {
    this.#entries.replace(owner, source);
    this.#serial = (this.#serial + 1) >>> 0;
    for (const apex of [this.#apex, ...this.#reverseApexes.values()]) {
      apex.negatives.clear();
      this.#entries.get(apex.name)?.answers?.delete(TYPE.SOA);
    }
  }

  /** What is in the zones whatever the cluster holds. */
  #fixedRecords(): RecordsByName {
    const zone = this.#apex.name;
    const nameServer = this.#nameServer;
    const records = new Map<string, ResourceRecord[]>();
    for (const { name } of [this.#apex, ...this.#reverseApexes.values()]) {
      records.set(name, [this.#record(name, TYPE.NS, nameServer)]);
    }
    records.set(
      nameServer,
      this.#options.dnsIPs.flatMap((address) => this.#address(nameServer, address)),
    );
    for (const label of ['dns', 'svc', 'pod']) records.set(encodeLabel(label) + zone, []);
    const version = encodeLabel('dns-version') + zone;
    return records.set(version, [this.#record(version, TYPE.TXT, textData('1.1.0'))]);
  }

  #address(name: string, address: string): ResourceRecord[] {
    const bytes = addressBytes(address);
    if (bytes === undefined) return [];
    return [this.#record(name, bytes.length === 4 ? TYPE.A : TYPE.AAAA, bytes)];
  }

  #authority({ name }: Apex): ResourceRecord {
    const data = authorityData({
      primary: this.#nameServer,
      mailbox: encodeLabel('hostmaster') + this.#apex.name,
      serial: this.#serial,
      refreshSeconds: 7200,
      retrySeconds: 1800,
      expireSeconds: 86400,
      minimumSeconds: this.#settings.ttlSeconds,
    });
    return this.#record(name, TYPE.SOA, data);
  }

  get #nameServer(): string {
    return encodeLabel('ns') + encodeLabel('dns') + this.#apex.name;
  }

  #record(name: string, type: number, data: string): ResourceRecord {
    return { name, type, ttlSeconds: this.#settings.ttlSeconds, data };
  }
}
