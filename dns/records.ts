import { DnsError } from './dns-error.ts';
import { addressBytes, encodeName, renderAddress, renderName } from './names.ts';
import { TYPE, typeName } from './wire.ts';

/** One resource record of class IN. */
export interface ResourceRecord {
  /** The owner, in wire form (dns/names.ts). */
  readonly name: string;
  readonly type: number;
  readonly ttlSeconds: number;
  /** The data in wire form, one character per byte, names in it uncompressed. */
  readonly data: string;
}

/** The data of an SOA record (RFC 1035 section 3.3.13); names in wire form. */
export interface Authority {
  readonly primary: string;
  readonly mailbox: string;
  readonly serial: number;
  readonly refreshSeconds: number;
  readonly retrySeconds: number;
  readonly expireSeconds: number;
  /** How long a negative answer may be cached (RFC 2308 section 4). */
  readonly minimumSeconds: number;
}

export function authorityData(authority: Authority): string {
  return (
    authority.primary +
    authority.mailbox +
    doubleWord(authority.serial) +
    doubleWord(authority.refreshSeconds) +
    doubleWord(authority.retrySeconds) +
    doubleWord(authority.expireSeconds) +
    doubleWord(authority.minimumSeconds)
  );
}

/** The data of an SRV record (RFC 2782). */
export function serviceData(priority: number, weight: number, port: number, target: string): string {
  return word(priority) + word(weight) + word(port) + target;
}

/** Character strings, as TXT and HINFO hold them; each of at most 255 bytes. */
export function textData(...strings: readonly string[]): string {
  return strings.map((text) => String.fromCharCode(text.length) + text).join('');
}

function stringsOf(data: string): string[] {
  const strings: string[] = [];
  for (let at = 0; at < data.length; at += 1 + data.charCodeAt(at)) {
    strings.push(data.slice(at + 1, at + 1 + data.charCodeAt(at)));
  }
  return strings;
}

/** The name that a record's data leads to and whose addresses belong beside it; undefined where there is none. */
export function targetOf(record: ResourceRecord): string | undefined {
  switch (record.type) {
    case TYPE.SRV:
      return record.data.slice(6);
    case TYPE.MX:
      return record.data.slice(2);
    case TYPE.NS:
    case TYPE.CNAME:
    case TYPE.PTR:
      return record.data;
    default:
      return undefined;
  }
}

/** `name ttl IN type data`, as zone files and dig write it. */
export function renderRecord(record: ResourceRecord): string {
  const { name, ttlSeconds, type } = record;
  return `${renderName(name)} ${ttlSeconds} IN ${typeName(type)} ${renderData(record)}`;
}

function renderData({ type, data }: ResourceRecord): string {
  switch (type) {
    case TYPE.A:
    case TYPE.AAAA:
      return renderAddress(data);
    case TYPE.NS:
    case TYPE.CNAME:
    case TYPE.PTR:
      return renderName(data);
    case TYPE.MX:
      return `${wordAt(data, 0)} ${renderName(data.slice(2))}`;
    case TYPE.SRV:
      return `${wordAt(data, 0)} ${wordAt(data, 2)} ${wordAt(data, 4)} ${renderName(data.slice(6))}`;
    case TYPE.TXT:
    case TYPE.HINFO:
      return stringsOf(data)
        .map((text) => JSON.stringify(text))
        .join(' ');
    case TYPE.SOA:
      return renderAuthority(data);
    default:
      // RFC 3597 section 5.
      return `\\# ${data.length} ${Buffer.from(data, 'latin1').toString('hex')}`;
  }
}

function renderAuthority(data: string): string {
  const mailboxAt = nameLength(data, 0);
  const numbersAt = mailboxAt + nameLength(data, mailboxAt);
  const numbers = [0, 4, 8, 12, 16].map((at) => doubleWordAt(data, numbersAt + at));
  return [renderName(data), renderName(data.slice(mailboxAt)), ...numbers].join(' ');
}

/** The length on the wire of the name that starts at `start`. */
export function nameLength(data: string, start: number): number {
  let at = start;
  while (data.charCodeAt(at) > 0) at += 1 + data.charCodeAt(at);
  return at + 1 - start;
}

/**
 * Reads a record's text behind its owner: optional TTL, optional `IN`, type, data.
 * @throws {DnsError} BadRecord or BadName
 */
export function parseRecord(owner: string, text: string, defaultTtlSeconds: number): ResourceRecord {
  const match = /^\s*(?:(\d+)\s+)?(?:IN\s+)?([A-Z]+)\s+(.*?)\s*$/s.exec(text);
  const [, ttl, type = '', rest = ''] = match ?? [];
  const data = parseData(type, rest);
  if (data === undefined) throw new DnsError('BadRecord', `cannot read the DNS record "${text}"`);
  return {
    name: encodeName(owner),
    type: TYPE[type as keyof typeof TYPE],
    ttlSeconds: ttl === undefined ? defaultTtlSeconds : Number(ttl),
    data,
  };
}

function parseData(type: string, text: string): string | undefined {
  const fields = text.split(/\s+/);
  const [first = '', second = ''] = fields;
  switch (type) {
    case 'A':
    case 'AAAA': {
      const bytes = addressBytes(text);
      return bytes?.length === (type === 'A' ? 4 : 16) ? bytes : undefined;
    }
    case 'NS':
    case 'CNAME':
    case 'PTR':
      return encodeName(text);
    case 'MX':
      return word(Number(first)) + encodeName(second);
    case 'SRV': {
      const [priority, weight, port] = fields.map(Number);
      if (priority === undefined || weight === undefined || port === undefined) return undefined;
      return serviceData(priority, weight, port, encodeName(fields[3] ?? ''));
    }
    case 'TXT':
      return textData(...[...text.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? ''));
    default:
      return undefined;
  }
}

function word(value: number): string {
  return String.fromCharCode((value >> 8) & 0xff, value & 0xff);
}

function doubleWord(value: number): string {
  return word(value >>> 16) + word(value);
}

function wordAt(data: string, at: number): number {
  return (data.charCodeAt(at) << 8) | data.charCodeAt(at + 1);
}

function doubleWordAt(data: string, at: number): number {
  return wordAt(data, at) * 0x10000 + wordAt(data, at + 2);
}
