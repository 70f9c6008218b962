import { setImmediate } from 'node:timers/promises';
import { encodeAnswer, renderAnswer } from './answer.ts';
import type { Query } from './question.ts';
import type { ResourceRecord } from './records.ts';
import { FLAG, RCODE } from './wire.ts';

/** A message takes about a millisecond to make, and pointers reach all of it (RFC 1035 section 4.1.4). */
const MESSAGE_BYTES = 12_000;
/** A record beside its name and data. */
const RECORD_BYTES = 10;

/**
 * The messages of a zone transfer (RFC 5936): `sets` are all of the zone's records, its SOA first and last. Others are
 * served between one message and the next. `query` must be a copy that stays.
 */
export async function* transferMessages(
  query: Query,
  sets: Iterable<readonly ResourceRecord[]>,
): AsyncGenerator<Uint8Array> {
  let records: ResourceRecord[] = [];
  let bytes = 0;
  for (const record of flat(sets)) {
    const size = record.name.length + RECORD_BYTES + record.data.length;
    if (bytes + size > MESSAGE_BYTES) {
      yield render(query, records);
      await setImmediate();
      [records, bytes] = [[], 0];
    }
    records.push(record);
    bytes += size;
  }
  yield render(query, records);
}

function* flat(sets: Iterable<readonly ResourceRecord[]>): Generator<ResourceRecord> {
  for (const set of sets) yield* set;
}

function render(query: Query, answer: readonly ResourceRecord[]): Uint8Array {
  const content = { rcode: RCODE.NOERROR, flags: FLAG.AA, answer };
  return renderAnswer(query, encodeAnswer(content, { nameBytes: query.name.length, suffix: query.name }));
}
