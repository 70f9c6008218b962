import { encodeAnswer, type Answer } from './answer.ts';
import { KnownAnswers } from './known-answers.ts';
import {
  encodeLabel,
  encodeName,
  labelsOf,
  lowerCase,
  parseDashedAddress,
  parseReverseName,
  reverseZones,
} from './names.ts';
import type { NamedService } from './named-service.ts';
import { PodAddresses } from './pod-addresses.ts';
import type { Query } from './question.ts';
import { targetOf, textData, type ResourceRecord } from './records.ts';
import { ServiceIndex } from './service-index.ts';
import { pointersTo, serviceRecordData, serviceRecordSets } from './service-records.ts';
import { FLAG, RCODE, TYPE } from './wire.ts';
import { createApex, isPartOfAddress, isWithin, locate, type Apex, type Name } from './zone-apex.ts';
import { ZoneFrame } from './zone-frame.ts';

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
  /** Memory for answers that are kept for the next who asks. Default 16 MiB. */
  readonly maxKnownBytes?: number;
}

/** A name that exists, its records of the type looked for, and what they follow from. */
interface Found {
  readonly records: readonly ResourceRecord[];
  /** What an answer has to be forgotten with; undefined: it is not kept. */
  readonly sources?: readonly object[];
  /** Whether the name is an alias, all types of another name. */
  readonly alias?: boolean;
}

/** More aliases than this in a row are taken for a loop. */
const MAX_ALIASES = 8;
/** Types of larger numbers, which nobody means to ask a cluster for, leave no trace in memory. */
const LAST_KEPT_TYPE = 65;
const ARPA = '\x04arpa\0';

/**
 * What the cluster's DNS knows: names of Services, endpoints, namespaces and pods. Changed key by key, so that
 * a change costs what changed; records are looked for when they are asked for, and their answer is kept until then.
 * Knows nothing of sockets.
 */
export class ClusterZone {
  readonly #pods: PodNames;
  readonly #ttlSeconds: number;
  readonly #apex: Apex;
  readonly #reverseApexes: ReadonlyMap<string, Apex>;
  readonly #reverseLabelCounts: readonly number[];
  readonly #frame: ZoneFrame;
  readonly #services = new ServiceIndex();
  readonly #namespaces = new Map<string, object>();
  readonly #podAddresses = new PodAddresses();
  readonly #known: KnownAnswers;
  /** In wire form: what names of Services and pods end in. */
  readonly #serviceSuffix: string;
  readonly #podSuffix: string;
  readonly #serial: { value: number };

  constructor(options: ZoneOptions) {
    const zone = encodeName(options.zone);
    this.#pods = options.pods;
    this.#ttlSeconds = options.ttlSeconds ?? 5;
    this.#serial = { value: options.serial ?? 1 };
    this.#known = new KnownAnswers(options.maxKnownBytes ?? 16 << 20);
    this.#serviceSuffix = encodeLabel('svc') + zone;
    this.#podSuffix = encodeLabel('pod') + zone;
    this.#apex = createApex(zone);
    this.#reverseApexes = new Map(
      options.cidrs.flatMap(reverseZones).map((name) => [name, createApex(name)]),
    );
    const apexes = [this.#apex, ...this.#reverseApexes.values()];
    this.#reverseLabelCounts = [...new Set(this.#reverseApexes.values().map(({ labels }) => labels))];
    this.#frame = new ZoneFrame(zone, apexes, options.dnsIPs, this.#ttlSeconds);
  }

  /** Sets or, with `undefined`, removes the names of the Service `key`, e.g. `default/web`. */
  setService(key: string, service: NamedService | undefined): void {
    const [namespace = '', name = ''] = key.split('/');
    const labels = lowerCase(encodeLabel(name) + encodeLabel(namespace));
    for (const changed of this.#services.set(labels, service)) this.#known.forget(changed);
    this.#countChange();
  }

  setNamespace(name: string, exists: boolean): void {
    const label = lowerCase(encodeLabel(name));
    const before = this.#namespaces.get(label);
    if (exists === (before !== undefined)) return;
    if (before) this.#known.forget(before);
    if (exists) this.#namespaces.set(label, {});
    else this.#namespaces.delete(label);
    this.#countChange();
  }

  /** Sets the addresses of the pod `key`, e.g. `default/web-1`, 4 or 16 bytes each; none removes the pod. */
  setPod(key: string, addresses: readonly string[]): void {
    this.#podAddresses.set(key, addresses);
  }

  /** Whether the name is in the cluster's zone or in a reverse zone of its ranges. */
  covers(query: Name): boolean {
    return this.#apexOf(query) !== undefined;
  }

  /** Whether the name has the form of a pod's. */
  isPodName({ name, labels, labelStarts }: Name): boolean {
    return labels === this.#apex.labels + 3 && name.slice(labelStarts[2]) === this.#podSuffix;
  }

  /**
   * What a pod goes on with whose own namespace a name ends in: the labels before it, and the domains of the cluster
   * that come after it in the search path. Undefined for all others.
   */
  searchPathOf({
    name,
    labels,
    labelStarts,
    client,
  }: Query): { base: string; domains: string[] } | undefined {
    const below = labels - this.#apex.labels;
    if (below < 3 || name.slice(labelStarts[below - 1]) !== this.#serviceSuffix) return undefined;
    const start = labelStarts[below - 2] ?? 0;
    const namespace = this.#podAddresses.namespaceOf(String.fromCharCode(...client));
    if (namespace !== name.slice(start + 1, labelStarts[below - 1])) return undefined;
    return { base: name.slice(0, start), domains: [this.#serviceSuffix, this.#apex.name] };
  }

  /**
   * The answer to a query of class IN; undefined where the name is not ours. An answer with `alias` ends in a
   * CNAME to a name that is not ours: {@link aliases} has its records.
   */
  lookup(query: Query): Answer | undefined {
    const known = this.#known.get(query.name, query.type);
    if (known) return known.answer ?? this.#negative(query, known.apex, RCODE.NOERROR);
    const found = this.#find(query, query.type);
    const apex = this.#apexOf(query);
    if (found) return this.#answer(query, found, apex ?? this.#apex);
    if (!apex) return undefined;
    const exists = apex !== this.#apex && isPartOfAddress(query, apex);
    return this.#negative(query, apex, exists ? RCODE.NOERROR : RCODE.NXDOMAIN);
  }

  /** Whether the name is the cluster's zone, all of which {@link transfer} gives. */
  isApex(query: Name): boolean {
    return query.name === this.#apex.name;
  }

  /** All records of the cluster's zone as they are now, whatever changes later: set by set, its SOA first and last. */
  transfer(): Iterable<readonly ResourceRecord[]> {
    const authority = [this.#frame.authority(this.#apex.name, this.#serial.value)];
    return this.#listSets(authority, this.#services.list());
  }

  *#listSets(
    authority: readonly ResourceRecord[],
    services: readonly NamedService[],
  ): Generator<readonly ResourceRecord[]> {
    yield authority;
    yield this.#frame.list();
    for (const service of services) {
      const name = this.#nameOf(service);
      for (const { below, type, data } of serviceRecordSets(service, name)) {
        const owner = below.map(encodeLabel).join('') + name;
        yield data.map((each) => this.#record(owner, type, each));
      }
    }
    yield authority;
  }

  /** The CNAME records from `name` on, as far as they are ours, and the name they lead to. */
  aliases(name: string): { records: ResourceRecord[]; target: string } {
    const records: ResourceRecord[] = [];
    let target = name;
    for (;;) {
      const [alias] = this.#find(locate(target), TYPE.CNAME)?.records ?? [];
      if (!alias || records.length === MAX_ALIASES) return { records, target };
      records.push(alias);
      target = alias.data;
    }
  }

  #answer(query: Query, { records, sources, alias }: Found, apex: Apex): Answer {
    const { name, type } = query;
    // RFC 8482 section 4.2.
    if (type === TYPE.ANY)
      return this.#positive(query, [this.#record(name, TYPE.HINFO, textData('RFC8482', ''))]);
    if (alias && type !== TYPE.CNAME) return this.#aliasAnswer(query);
    if (type === TYPE.SOA && name === apex.name) {
      return this.#positive(query, [this.#frame.authority(name, this.#serial.value)]);
    }
    const answer = records.length > 0 ? this.#positive(query, records) : undefined;
    if (sources && type <= LAST_KEPT_TYPE) this.#known.set(name, { type, answer, apex }, sources);
    return answer ?? this.#negative(query, apex, RCODE.NOERROR);
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
    const at = locate(target);
    const found = this.#find(at, query.type);
    const inside = isWithin(at, this.#apex);
    const missing = inside && !found?.records.length;
    const looped = records.length === MAX_ALIASES;
    const answer = encodeAnswer(
      {
        rcode: looped ? RCODE.SERVFAIL : missing && !found ? RCODE.NXDOMAIN : RCODE.NOERROR,
        flags: FLAG.AA | FLAG.RA,
        answer: [...records, ...(found?.records ?? [])],
        authority: missing ? [this.#frame.authority(this.#apex.name, this.#serial.value)] : [],
      },
      { nameBytes: query.name.length, suffix: query.name },
    );
    return inside || looped ? answer : { ...answer, alias: target };
  }

  /** RFC 2308 section 2: no such name, or no such records, proven by the zone's SOA. */
  #negative(query: Query, apex: Apex, rcode: number): Answer {
    const nameBytes = query.name.length;
    const kept = rcode === RCODE.NXDOMAIN ? apex.noName : apex.noData;
    return (kept[nameBytes] ??= {
      ...encodeAnswer(
        { rcode, flags: FLAG.AA | FLAG.RA, authority: [this.#frame.authority(apex.name, 0)] },
        { nameBytes, suffix: apex.name },
      ),
      serial: this.#serial,
    });
  }

  /** The records of one type at a name; undefined where the name does not exist, or is not ours. */
  #find(at: Name, type: number): Found | undefined {
    const { name, labels, labelStarts } = at;
    const fixed = this.#frame.at(name);
    if (fixed) return { records: fixed.filter((record) => record.type === type), sources: [] };
    if (!isWithin(at, this.#apex)) return name.endsWith(ARPA) ? this.#findPointers(name, type) : undefined;
    const below = labels - this.#apex.labels;
    if (below < 2) return undefined;
    const suffixStart = labelStarts[below - 1] ?? 0;
    const suffix = name.slice(suffixStart);
    const isService = suffix === this.#serviceSuffix;
    if (!isService && (suffix !== this.#podSuffix || this.#pods === 'disabled')) return undefined;
    if (below > 2) return isService ? this.#findService(at, below, type) : this.#findPod(at, below, type);
    const source = this.#namespaces.get(name.slice(0, suffixStart));
    return source && { records: [], sources: [source] };
  }

  #findService({ name, labelStarts }: Name, below: number, type: number): Found | undefined {
    const start = labelStarts[below - 3] ?? 0;
    const service = this.#services.get(name.slice(start, labelStarts[below - 1]));
    if (!service) return undefined;
    const data = serviceRecordData(service, name.slice(start), labelsOf(name.slice(0, start)), type);
    if (!data) return undefined;
    const records = data.map((each) => this.#record(name, type, each));
    return { records, sources: [service], alias: service.alias !== undefined };
  }

  #findPod({ name, labelStarts }: Name, below: number, type: number): Found | undefined {
    const namespace = name.slice(labelStarts[1], labelStarts[2]);
    if (below !== 3 || !this.#namespaces.has(namespace)) return undefined;
    const address = parseDashedAddress(name.slice(1, labelStarts[1]));
    if (address === undefined) return undefined;
    if (this.#pods === 'verified' && !this.#podAddresses.has(namespace.slice(1), address)) return undefined;
    return { records: type === addressType(address) ? [this.#record(name, type, address)] : [] };
  }

  #findPointers(name: string, type: number): Found | undefined {
    const address = parseReverseName(name);
    const services = address === undefined ? [] : this.#services.withAddress(address);
    if (address === undefined || services.length === 0) return undefined;
    const targets = services.flatMap((service) => pointersTo(service, this.#nameOf(service), address));
    const records = type === TYPE.PTR ? targets.map((target) => this.#record(name, type, target)) : [];
    return { records, sources: services };
  }

  #nameOf({ name, namespace }: NamedService): string {
    return encodeLabel(name) + encodeLabel(namespace) + this.#serviceSuffix;
  }

  /** The zone of ours that the name lies in. */
  #apexOf(at: Name): Apex | undefined {
    if (isWithin(at, this.#apex)) return this.#apex;
    if (!at.name.endsWith(ARPA)) return undefined;
    for (const labels of this.#reverseLabelCounts) {
      if (at.labels < labels) continue;
      const apex = this.#reverseApexes.get(at.name.slice(at.labelStarts[at.labels - labels]));
      if (apex) return apex;
    }
    return undefined;
  }

  /** Addresses, as far as we know them, of the names that records lead to. */
  #addressesOf(records: readonly ResourceRecord[]): ResourceRecord[] {
    if (records[0]?.type !== TYPE.SRV && records[0]?.type !== TYPE.NS) return [];
    const targets = new Set(records.flatMap((record) => targetOf(record) ?? []));
    return [...targets].flatMap((target) =>
      [TYPE.A, TYPE.AAAA].flatMap((type) => this.#find(locate(target), type)?.records ?? []),
    );
  }

  #record(name: string, type: number, data: string): ResourceRecord {
    return { name, type, ttlSeconds: this.#ttlSeconds, data };
  }

  /** A new serial for what proves that others are missing. */
  #countChange(): void {
    this.#serial.value = (this.#serial.value + 1) >>> 0;
  }
}

function addressType(address: string): number {
  return address.length === 4 ? TYPE.A : TYPE.AAAA;
}
