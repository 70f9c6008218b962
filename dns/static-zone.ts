import type { Handler } from './handler.ts';

/**
 * Plain records by name: `{ 'www.example.test': ['A 192.0.2.1', '60 AAAA 2001:db8::1'] }`. A record's text is
 * a zone file's: optional TTL in seconds (300), type, data.
 */
export type StaticRecords = Readonly<Record<string, readonly string[]>>;

/**
 * A handler that answers authoritatively from fixed records and NXDOMAIN for every other name.
 * @throws {DnsError} BadName or BadRecord.
 */
export function staticZone(_records: StaticRecords): Handler {
  return () => 0;
}
