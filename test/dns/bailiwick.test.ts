import t from 'tap';
import { chainOf, isReferral, isWithin } from '../../dns/bailiwick.ts';
import type { Message } from '../../dns/message.ts';
import { encodeName, renderName } from '../../dns/names.ts';
import { authorityData, parseRecord, renderRecord, type ResourceRecord } from '../../dns/records.ts';
import { FLAG, TYPE } from '../../dns/wire.ts';

function record(text: string): ResourceRecord {
  const [owner = '', type = '', data = ''] = text.split(' ');
  const raw = { RRSIG: TYPE.RRSIG, NSEC: TYPE.NSEC, DNAME: TYPE.DNAME }[type];
  if (raw !== undefined)
    return { name: encodeName(owner), type: raw, ttlSeconds: 60, data: encodeName(data) };
  if (type === 'SOA') return { name: encodeName(owner), type: TYPE.SOA, ttlSeconds: 60, data: soaData };
  return parseRecord(owner, `${type} ${data}`, 60);
}

const soaData = authorityData({
  primary: encodeName('ns.test'),
  mailbox: encodeName('root.test'),
  serial: 1,
  refreshSeconds: 1,
  retrySeconds: 1,
  expireSeconds: 1,
  minimumSeconds: 1,
});

interface Case {
  readonly what: string;
  readonly answer?: string[];
  readonly authority?: string[];
  readonly rcode?: number;
  readonly dnssecOk?: boolean;
  /** Names the server must not speak for. */
  readonly foreign?: string;
  readonly keeps: string[];
  readonly alias?: string;
}

function messageOf({ answer = [], authority = [], rcode = 0 }: Partial<Case>, flags = 0x8180): Message {
  return {
    id: 1,
    flags,
    rcode,
    name: encodeName('www.a.test'),
    type: TYPE.A,
    class: 1,
    answer: answer.map(record),
    authority: authority.map(record),
    additional: [record('evil.test A 192.0.2.66')],
  };
}

const table: Case[] = [
  {
    what: 'records of the name',
    answer: ['www.a.test A 192.0.2.1', 'www.a.test A 192.0.2.2'],
    keeps: ['www.a.test A 192.0.2.1', 'www.a.test A 192.0.2.2'],
  },
  {
    what: 'other names, other types, name servers, additional records',
    answer: ['evil.test A 192.0.2.66', 'www.a.test A 192.0.2.1', 'www.a.test TXT x', 'a.test A 192.0.2.66'],
    authority: ['a.test NS evil.test', 'test SOA'],
    keeps: ['www.a.test A 192.0.2.1'],
  },
  {
    what: 'aliases in their order, whatever order they came in',
    answer: ['c.test A 192.0.2.1', 'b.test CNAME C.test', 'www.a.test CNAME b.test'],
    keeps: ['www.a.test CNAME b.test', 'b.test CNAME c.test', 'c.test A 192.0.2.1'],
  },
  {
    what: 'an alias and records at one name: the records',
    answer: ['www.a.test CNAME b.test', 'www.a.test A 192.0.2.1', 'b.test A 192.0.2.66'],
    keeps: ['www.a.test A 192.0.2.1'],
  },
  {
    what: 'aliases in a circle',
    answer: ['www.a.test CNAME b.test', 'b.test CNAME www.a.test'],
    keeps: ['www.a.test CNAME b.test', 'b.test CNAME www.a.test'],
    alias: 'www.a.test',
  },
  {
    what: 'an alias whose target is still to be asked',
    answer: ['www.a.test CNAME b.test'],
    keeps: ['www.a.test CNAME b.test'],
    alias: 'b.test',
  },
  {
    what: 'what others must say about the target',
    answer: ['www.a.test CNAME b.test', 'b.test A 192.0.2.66'],
    authority: ['test SOA'],
    foreign: 'b.test',
    keeps: ['www.a.test CNAME b.test'],
    alias: 'b.test',
  },
  {
    what: 'an alias to nothing: the SOA above its target',
    answer: ['www.a.test CNAME www.b.test'],
    authority: ['a.test SOA', 'b.test SOA'],
    rcode: 3,
    keeps: ['www.a.test CNAME www.b.test', 'b.test SOA'],
  },
  { what: 'the SOA of another zone', authority: ['b.test SOA'], rcode: 3, keeps: [] },
  { what: 'the SOA of a zone whose name only ends alike', authority: ['ww.a.test SOA'], keeps: [] },
  { what: 'no SOA', rcode: 3, keeps: [] },
  {
    what: 'signatures for who does not understand them',
    answer: ['www.a.test A 192.0.2.1', 'www.a.test RRSIG a'],
    authority: ['a.test NSEC b'],
    keeps: ['www.a.test A 192.0.2.1'],
  },
  {
    what: 'signatures and proofs for who asks for them',
    answer: ['www.a.test A 192.0.2.1', 'www.a.test RRSIG a', 'evil.test RRSIG a'],
    authority: ['a.test NSEC b', 'a.test NS evil.test'],
    dnssecOk: true,
    keeps: ['www.a.test A 192.0.2.1', 'www.a.test RRSIG a', 'a.test NSEC b'],
  },
  {
    what: 'an alias of the whole zone',
    answer: [
      'a.test DNAME b.test',
      'www.a.test CNAME www.b.test',
      'www.b.test A 192.0.2.1',
      'c.test DNAME d',
    ],
    keeps: ['a.test DNAME b.test', 'www.a.test CNAME www.b.test', 'www.b.test A 192.0.2.1'],
  },
];

for (const { what, keeps, alias, dnssecOk = false, foreign, ...content } of table) {
  t.test(what, (t) => {
    const mayAnswer = (name: string): boolean => name !== encodeName(foreign ?? 'nobody');
    const chain = chainOf(messageOf(content), { dnssecOk, mayAnswer });
    const kept = [...chain.answer, ...chain.authority].map(renderRecord);
    t.strictSame(
      kept,
      keeps.map((text) => renderRecord(record(text))),
    );
    t.equal(chain.alias && renderName(chain.alias), alias && `${alias}.`);
    t.end();
  });
}

t.test("letters' case is no difference", (t) => {
  const message = messageOf({ answer: ['www.a.test CNAME b.test', 'b.test A 192.0.2.1'] });
  const [alias, address] = message.answer;
  if (!alias || !address) throw new Error('no records');
  const answer = [{ ...alias, data: '\x01B\x04tEst\0' }, address];
  t.equal(chainOf({ ...message, answer }, { dnssecOk: false, mayAnswer: () => true }).answer.length, 2);
  t.end();
});

t.test('a chain of aliases ends', (t) => {
  const answer = Array.from(
    { length: 200 },
    (_, index) => `${index || 'www.a'}.test CNAME ${index + 1}.test`,
  );
  answer[0] = 'www.a.test CNAME 1.test';
  const chain = chainOf(messageOf({ answer }), { dnssecOk: false, mayAnswer: () => true });
  t.ok(chain.answer.length < 20);
  t.end();
});

t.test('a referral is told from an answer', (t) => {
  const authority = ['a.test NS ns.a.test'];
  t.ok(isReferral(messageOf({ authority }, 0x8100)));
  t.notOk(isReferral(messageOf({ authority }, 0x8100 | FLAG.RA)), 'by a server that resolves');
  t.notOk(isReferral(messageOf({ authority }, 0x8100 | FLAG.AA)), "by the name's own server");
  t.notOk(isReferral(messageOf({ authority: [...authority, 'a.test SOA'] }, 0x8100)), 'no data');
  t.notOk(isReferral(messageOf({ authority, rcode: 3 }, 0x8100)));
  t.end();
});

t.test('names within zones', (t) => {
  const within = (name: string, zone: string): boolean => isWithin(encodeName(name), encodeName(zone));
  t.ok(within('a.b.test', 'b.test'));
  t.ok(within('b.test', 'b.test'));
  t.ok(within('b.test', '.'));
  t.notOk(within('ab.test', 'b.test'));
  t.notOk(within('test', 'b.test'));
  // A label that holds what looks like a label's length.
  t.notOk(isWithin('\x03a\x01b\x04test\0', '\x01b\x04test\0'));
  t.end();
});
