import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, isIPv6 } from 'node:net';
import Dns2 from 'dns2';
import t from 'tap';
import { encodeQuery } from '../../../../rig/dns-query.ts';
import { readReply } from '../../../dns/exchange.ts';
import { startWireServer } from './cluster.ts';
import { query, transfer, type At, type Program } from './clients.ts';

const S = 'default.svc.cluster.local.';
const programs: readonly Program[] = ['dig', 'kdig'];
const { hosts } = await startWireServer(t, { zoneTransferTo: '127.0.0.1' });

function sizeOf(program: Program, text: string): number {
  const pattern = program === 'dig' ? /MSG SIZE {2}rcvd: (\d+)/ : /Received (\d+) B/;
  return Number(pattern.exec(text)?.[1]);
}

t.equal(hosts.length, 2, 'both families');

t.test('UDP answers keep to the size the client has room for', async (t) => {
  const rooms: readonly (readonly [options: string[], bytes: number])[] = [
    [['+noedns'], 512],
    [['+bufsize=512'], 512],
    [['+bufsize=100'], 512],
    [['+bufsize=800'], 800],
    [['+bufsize=1232'], 1232],
    [['+bufsize=4096'], 1232],
    [['+bufsize=65535'], 1232],
  ];
  for (const at of hosts) {
    for (const program of programs) {
      for (const [options, bytes] of rooms) {
        const about = `${program} ${at.host} ${options.join(' ')}`;
        const [cut] = await query(program, at, ['+notcp', '+ignore', ...options], [[`many.${S}`, 'A']]);
        const size = sizeOf(program, cut?.text ?? '');
        t.match(cut?.flags, /\btc\b/, `${about}: cut`);
        t.ok(size <= bytes && size > 12, `${about}: ${size} bytes`);
      }
      const [whole] = await query(program, at, [], [[`many.${S}`, 'A']]);
      t.equal(new Set(whole?.answer).size, 200, `${program} ${at.host}: all of it over TCP`);
      t.notMatch(whole?.flags, /\btc\b/);
      const [edns] = await query(program, at, ['+notcp', '+bufsize=4096'], [[`web.${S}`, 'A']]);
      t.match(edns?.text, /EDNS[^]*(udp: 1232|UDP size: 1232 B)/, `${program} ${at.host}: our own size`);
      const [plain] = await query(program, at, ['+notcp', '+noedns'], [[`web.${S}`, 'A']]);
      t.notMatch(plain?.text, /EDNS/, `${program} ${at.host}: no EDNS for who speaks none`);
    }
  }
});

t.test('unusual questions', async (t) => {
  for (const at of hosts) {
    for (const protocol of ['+notcp', '+tcp']) {
      const ask = async (options: string[], name: string, type = 'A'): Promise<string | undefined> => {
        const [answer] = await query('dig', at, [protocol, ...options], [[name, type]]);
        return answer && `${answer.status} ${answer.flags}: ${answer.answer.join(', ')}`;
      };
      const about = `${at.host} ${protocol}`;
      for (const opcode of ['status', 'notify', 'update', 'iquery']) {
        t.match(await ask([`+opcode=${opcode}`], `web.${S}`), /^NOTIMP qr/, `${about}: opcode ${opcode}`);
      }
      t.match(await ask(['+edns=1', '+noednsneg'], `web.${S}`), /^BADVERS/, `${about}: EDNS version`);
      t.equal(
        await ask([], `web.${S}`, 'ANY'),
        `NOERROR qr aa rd ra: web.${S} 5 HINFO "RFC8482" ""`,
        `${about}: ANY`,
      );
      t.match(await ask(['-c', 'CH'], `web.${S}`), /^REFUSED/, `${about}: another class`);
      t.match(await ask(['+norecurse'], `web.${S}`), /^NOERROR qr aa ra: /, `${about}: RD is echoed`);
      t.match(await ask(['+cd'], `web.${S}`), /^NOERROR qr aa rd ra cd: /, `${about}: CD is echoed`);
    }
  }
});

t.test('the case of a question comes back, and matters nowhere', async (t) => {
  const name = 'wEB.DefAULT.svc.CLUSTER.local.';
  // kdig would ask in lower case.
  for (const at of hosts) {
    for (const protocol of ['+notcp', '+tcp']) {
      const [answer] = await query('dig', at, [protocol], [[name, 'A']]);
      t.equal(answer?.question, name, `${at.host} ${protocol}`);
      t.strictSame(answer?.answer, [`${name} 5 A 10.96.1.1`], 'also in the record');
    }
  }
});

t.test('answers are rotated', async (t) => {
  const questions = Array.from({ length: 24 }, () => [`db.${S}`, 'A'] as const);
  for (const at of hosts) {
    const answers = await query('kdig', at, ['+notcp'], questions);
    const first = new Set(answers.map(({ answer }) => answer[0]));
    t.strictSame([...first].sort(), [`db.${S} 5 A 10.244.1.1`, `db.${S} 5 A 10.244.1.2`], at.host);
  }
});

t.test('many questions over one connection', async (t) => {
  const questions = Array.from(
    { length: 60 },
    (_, i) => [i % 3 === 2 ? 'www.example.test.' : i % 3 === 1 ? `nope.${S}` : `web.${S}`, 'A'] as const,
  );
  for (const at of hosts) {
    const answers = await query('kdig', at, ['+tcp', '+keepopen'], questions);
    t.strictSame(
      answers.map(({ status }) => status),
      questions.map(([name]) => (name.startsWith('nope') ? 'NXDOMAIN' : 'NOERROR')),
      at.host,
    );
  }
});

/** Over one connection, as dns2 reads and writes messages; its own client connects to IPv4 addresses only. */
async function askOverTcp({ host, port }: At, name: string, type: string): Promise<Dns2.Packet> {
  const socket = connect({ host, port });
  const message = encodeQuery(name.slice(0, -1), type);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  socket.write(Buffer.concat([length, message]));
  const answer = await Dns2.Packet.readStream(socket);
  socket.destroy();
  return Dns2.Packet.parse(answer);
}

function askOverUdp({ host, port }: At, name: string, type: string): Promise<Dns2.Packet> {
  const client = Dns2.UDPClient({ dns: host, port, socketType: isIPv6(host) ? 'udp6' : 'udp4' });
  return client(name.slice(0, -1), type);
}

t.test('dns2 reads the answers', async (t) => {
  for (const at of hosts) {
    for (const [protocol, ask] of Object.entries({ UDP: askOverUdp, TCP: askOverTcp })) {
      const about = `${protocol} ${at.host}`;
      const address = await ask(at, `web.${S}`, 'A');
      t.match(
        address.answers,
        [{ name: `web.${S}`.slice(0, -1), type: 1, ttl: 5, address: '10.96.1.1' }],
        about,
      );
      t.match(address.header, { qr: 1, aa: 1, rd: 1, ra: 1, rcode: 0 });
      const missing = await ask(at, `nope.${S}`, 'A');
      t.equal(missing.header.rcode, 3, `${about}: NXDOMAIN`);
      t.match(missing.authorities, [
        { name: 'cluster.local', type: 6, primary: 'ns.dns.cluster.local', minimum: 5 },
      ]);
      const empty = await ask(at, `unnamed.${S}`, 'AAAA');
      t.match(
        [empty.header.rcode, empty.answers.length, empty.authorities.length],
        [0, 0, 1],
        `${about}: no data`,
      );
      const service = await ask(at, `_http._tcp.web.${S}`, 'SRV');
      t.match(service.answers, [
        { type: 33, priority: 0, weight: 100, port: 80, target: `web.${S}`.slice(0, -1) },
      ]);
      t.equal(service.additionals.length, 2, `${about}: both addresses of the target`);
      const reverse = await ask(at, '1.1.96.10.in-addr.arpa.', 'PTR');
      t.match(reverse.answers, [{ type: 12, domain: `web.${S}`.slice(0, -1) }], `${about}: PTR`);
      const alias = await ask(at, `outside.${S}`, 'A');
      t.match(alias.answers, [
        { type: 5, domain: 'www.example.test' },
        { type: 1, address: '192.0.2.80' },
      ]);
      // Cut over UDP, it asks again over TCP, which it cannot to IPv6 addresses.
      if (protocol === 'UDP' && isIPv6(at.host)) continue;
      const many = await ask(at, `many.${S}`, 'A');
      t.equal(many.answers.length, 200, `${about}: a long answer`);
    }
  }
});

t.test('who sends no question gets no answer, or is told that it is none', async (t) => {
  for (const { host, port } of hosts) {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    t.teardown(() => socket.close());
    const good = encodeQuery(`web.${S}`.slice(0, -1), 'A', { id: 7 });
    const isAnswer = Buffer.from(encodeQuery(`web.${S}`.slice(0, -1), 'A', { id: 1 }));
    isAnswer[2] = (isAnswer[2] ?? 0) | 0x80;
    const cut = encodeQuery(`web.${S}`.slice(0, -1), 'A', { id: 2 }).subarray(0, 20);
    // One socket's packets all go to one worker, in their order.
    for (const packet of [isAnswer, Buffer.alloc(0), good.subarray(0, 11), cut, good]) {
      socket.send(packet, port, host);
    }
    const replies: string[] = [];
    while (replies.length < 2) {
      const [bytes] = (await once(socket, 'message')) as [Buffer];
      replies.push(`${bytes.readUInt16BE(0)} ${readReply(bytes).rcode}`);
    }
    t.strictSame(replies, ['2 FORMERR', '7 NOERROR'], host);
  }
});

t.test('the zone is copied over TCP, by those who may', async (t) => {
  const [four, six] = hosts;
  if (!four || !six) throw new Error('an address is missing');
  for (const program of programs) {
    const copied = await transfer(program, four);
    t.match(copied[0], /^cluster\.local\. 5 SOA /, `${program}: begins with the SOA`);
    t.equal(copied.at(-1), copied[0], 'and ends with it');
    const records = copied.slice(1, -1);
    t.equal(new Set(records).size, records.length, 'each record once');
    for (const record of [
      `web.${S} 5 A 10.96.1.1`,
      `web.${S} 5 AAAA fd00:10:96::11`,
      `_http._tcp.web.${S} 5 SRV 0 100 80 web.${S}`,
      `db-0.db.${S} 5 AAAA fd00:10:244::1`,
      `outside.${S} 5 CNAME www.example.test.`,
      'dns-version.cluster.local. 5 TXT "1.1.0"',
    ]) {
      t.ok(records.includes(record), `${program}: ${record}`);
    }
    t.equal(
      records.filter((record) => record.startsWith(`many.${S} 5 A `)).length,
      200,
      'all of a long name',
    );
    t.strictSame(await transfer(program, six), [], `${program}: not from another address`);
  }
  for (const at of hosts) {
    const refused = await askOverUdp(at, 'cluster.local.', 'AXFR');
    t.match(refused, { header: { rcode: 5 }, answers: [] }, `${at.host}: not over UDP`);
  }
});
