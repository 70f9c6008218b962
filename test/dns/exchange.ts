import packet, { type Answer, type DecodedPacket } from 'dns-packet';
import type { Handler } from '../../dns/handler.ts';
import { addressBytes } from '../../dns/names.ts';
import type { Protocol } from '../../dns/question.ts';
import { Responder } from '../../dns/responder.ts';
import { encodeQuery } from '../../rig/dns-query.ts';
import type { QueryOptions } from '../../rig/dns-query.ts';

/** An answer as dns-packet, which is none of ours, reads it; records in zone-file text. */
export interface Reply {
  readonly rcode: string;
  readonly flags: string;
  readonly question: string;
  readonly answer: string[];
  readonly authority: string[];
  readonly additional: string[];
  readonly bytes: number;
  /** The answer's EDNS size; undefined without OPT. */
  readonly edns: number | undefined;
}

export interface AskOptions extends QueryOptions {
  readonly protocol?: Protocol;
  /** The client's address. */
  readonly from?: string;
}

/** Who asks. */
export const client = Buffer.from([192, 0, 2, 9]);

/** Sends one query through the whole path but the sockets. */
export async function ask(
  handler: Handler,
  name: string,
  type: string,
  options: AskOptions = {},
): Promise<Reply> {
  const [reply] = await askAll(handler, name, type, options);
  if (!reply) throw new Error('no answer');
  return reply;
}

/** The same, where the answer may be several messages. */
export async function askAll(
  handler: Handler,
  name: string,
  type: string,
  options: AskOptions = {},
): Promise<Reply[]> {
  const responder = new Responder({ handler });
  const out = Buffer.alloc(65535);
  const from = options.from === undefined ? client : Buffer.from(addressBytes(options.from) ?? '', 'latin1');
  const result = responder.respond(encodeQuery(name, type, options), options.protocol ?? 'udp', from, out);
  if (typeof result === 'number') return [readReply(out.subarray(0, result))];
  if (result instanceof Promise) return [readReply(Buffer.from(await result))];
  const replies: Reply[] = [];
  for await (const message of result) replies.push(readReply(Buffer.from(message)));
  return replies;
}

export function readReply(bytes: Buffer): Reply {
  const decoded = packet.decode(bytes) as DecodedPacket & { rcode: string };
  const opt = decoded.additionals?.find(({ type }) => type === 'OPT');
  return {
    rcode: decoded.rcode,
    flags: flagsOf(decoded),
    question: (decoded.questions ?? []).map(({ name, type }) => `${name}. ${type}`).join(),
    answer: (decoded.answers ?? []).map(renderRecord),
    authority: (decoded.authorities ?? []).map(renderRecord),
    additional: (decoded.additionals ?? []).filter(({ type }) => type !== 'OPT').map(renderRecord),
    bytes: bytes.length,
    edns: opt?.type === 'OPT' ? opt.udpPayloadSize : undefined,
  };
}

function flagsOf(decoded: DecodedPacket): string {
  const flags = [
    decoded.flag_qr && 'qr',
    decoded.flag_aa && 'aa',
    decoded.flag_tc && 'tc',
    decoded.flag_rd && 'rd',
    decoded.flag_ra && 'ra',
    decoded.flag_ad && 'ad',
    decoded.flag_cd && 'cd',
  ];
  return flags.filter(Boolean).join(' ');
}

function renderRecord(record: Answer): string {
  if (record.type === 'OPT') return 'OPT';
  const ttl = 'ttl' in record ? (record.ttl ?? 0) : 0;
  return `${record.name}. ${ttl} ${record.type} ${renderData(record)}`;
}

function renderData(record: Answer): string {
  switch (record.type) {
    case 'SRV':
      return `${record.data.priority ?? 0} ${record.data.weight ?? 0} ${record.data.port} ${record.data.target}.`;
    case 'SOA': {
      const { mname, rname, refresh, retry, expire, minimum } = record.data;
      // Without the serial, which depends on how often the zone was changed before.
      return [`${mname}.`, `${rname}.`, refresh, retry, expire, minimum].join(' ');
    }
    case 'TXT':
      return [record.data]
        .flat()
        .map((text) => JSON.stringify(text.toString()))
        .join(' ');
    case 'HINFO':
      return `${JSON.stringify(record.data.cpu)} ${JSON.stringify(record.data.os)}`;
    case 'A':
    case 'AAAA':
      return record.data;
    case 'NS':
    case 'CNAME':
    case 'PTR':
      return `${record.data}.`;
    default:
      return JSON.stringify(record);
  }
}
