import { addressBytes, encodeLabel } from './names.ts';
import { authorityData, textData, type ResourceRecord } from './records.ts';
import { TYPE } from './wire.ts';
import type { Apex } from './zone-apex.ts';

/** RFC 1035 section 3.3.13; what CoreDNS says. */
const REFRESH_SECONDS = 7200;
const RETRY_SECONDS = 1800;
const EXPIRE_SECONDS = 86_400;
/** Version of Kubernetes' DNS schema that the names follow. */
const SCHEMA_VERSION = '1.1.0';

/** What is in the cluster's zone and its reverse zones whatever the cluster holds. */
export class ZoneFrame {
  readonly #zone: string;
  readonly #ttlSeconds: number;
  readonly #records: ReadonlyMap<string, readonly ResourceRecord[]>;

  /** `zone` in wire form; `apexes` are all zones of authority, `dnsIPs` the name server's addresses. */
  constructor(zone: string, apexes: readonly Apex[], dnsIPs: readonly string[], ttlSeconds: number) {
    this.#zone = zone;
    this.#ttlSeconds = ttlSeconds;
    const records = new Map<string, readonly ResourceRecord[]>();
    for (const { name } of apexes) records.set(name, [this.#record(name, TYPE.NS, this.nameServer)]);
    for (const label of ['dns', 'svc', 'pod']) records.set(encodeLabel(label) + zone, []);
    const version = encodeLabel('dns-version') + zone;
    records.set(version, [this.#record(version, TYPE.TXT, textData(SCHEMA_VERSION))]);
    records.set(
      this.nameServer,
      dnsIPs.flatMap((address) => this.#address(address)),
    );
    this.#records = records;
  }

  get nameServer(): string {
    return encodeLabel('ns') + encodeLabel('dns') + this.#zone;
  }

  /** The records at a name; undefined where the frame does not have it. */
  at(name: string): readonly ResourceRecord[] | undefined {
    return this.#records.get(name);
  }

  /** All records below the cluster's zone, its own included. */
  list(): readonly ResourceRecord[] {
    return [...this.#records].flatMap(([name, records]) => (name.endsWith(this.#zone) ? records : []));
  }

  /** What proves that a name or its records are missing in the zone `name` (RFC 2308). */
  authority(name: string, serial: number): ResourceRecord {
    const data = authorityData({
      primary: this.nameServer,
      mailbox: encodeLabel('hostmaster') + this.#zone,
      serial,
      refreshSeconds: REFRESH_SECONDS,
      retrySeconds: RETRY_SECONDS,
      expireSeconds: EXPIRE_SECONDS,
      minimumSeconds: this.#ttlSeconds,
    });
    return this.#record(name, TYPE.SOA, data);
  }

  #address(address: string): ResourceRecord[] {
    const bytes = addressBytes(address);
    if (bytes === undefined) return [];
    return [this.#record(this.nameServer, bytes.length === 4 ? TYPE.A : TYPE.AAAA, bytes)];
  }

  #record(name: string, type: number, data: string): ResourceRecord {
    return { name, type, ttlSeconds: this.#ttlSeconds, data };
  }
}
