import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import type { Counts } from '../../../agent/names/gathered-metrics.ts';
import type { NameChange, WorkerSettings } from '../../../agent/names/messages.ts';
import { closeNameSockets, openNameSockets } from '../../../agent/names/sockets.ts';
import { WorkerPool } from '../../../agent/names/worker-pool.ts';
import { namedService } from '../../../dns/named-service.ts';
import { isErrno } from '../../../netns/kernel-error.ts';
import { encodeQuery } from '../../../rig/dns-query.ts';
import { readReply } from '../../dns/exchange.ts';
import { clusterDns } from './forwarding.ts';
import { FAULT_COMES } from './worker-fault.ts';

/** pino's number for it. */
const errorLevel = 50;
const NAME = 'web.default.svc.cluster.local';
const HOST = '127.0.0.1';

const settings: WorkerSettings = {
  nodeName: 'node1',
  queryLog: undefined,
  zone: { zone: 'cluster.local', dnsIPs: ['10.96.0.10'], cidrs: ['10.96.0.0/16'], pods: 'insecure' },
  cache: {},
  limits: clusterDns.limits,
  transferTo: [],
  autopath: undefined,
  loopToken: '0123456789abcdef',
};

const names: NameChange[] = [
  { kind: 'namespace', name: 'default', exists: true },
  {
    kind: 'service',
    key: 'default/web',
    service: namedService(
      { metadata: { name: 'web', namespace: 'default' }, spec: { clusterIP: '10.96.1.2', ports: [] } },
      [],
    ),
  },
];

interface Fixture {
  readonly pool: WorkerPool;
  readonly port: number;
  /** A worker takes nothing more from its sockets and will break. */
  readonly faultComes: Promise<undefined>;
  readonly log: {
    level: number;
    msg: string;
    worker: number;
    err: { message: string; type: string; code?: string };
  }[];
  readonly lost: (readonly Counts[])[];
}

/** Workers that break when told to, on a free port. */
function setUp(t: Test, count: number): Fixture {
  const log: Fixture['log'] = [];
  const lost: Fixture['lost'] = [];
  const faultComes = Promise.withResolvers<undefined>();
  const pool = new WorkerPool({
    count,
    settings: () => settings,
    names: () => [names],
    onLost: (counts) => lost.push(counts),
    log: pino(
      { level: 'info' },
      {
        write: (line) => {
          const entry = JSON.parse(line) as Fixture['log'][0];
          if (entry.msg === FAULT_COMES) faultComes.resolve(undefined);
          else if (entry.level >= errorLevel) log.push(entry);
        },
      },
    ),
    entry: new URL('faulty-worker-process.ts', import.meta.url),
    heapMiB: 64,
  });
  const sockets = openNameSockets({ host: HOST, port: 0, workers: count, inherited: [] });
  t.teardown(async () => {
    await pool.stop('leave');
    closeNameSockets(sockets);
  });
  pool.start();
  pool.setSynced('synced');
  pool.listen(sockets);
  return { pool, port: sockets[0]?.port ?? 0, log, lost, faultComes: faultComes.promise };
}

/** Asks once, over UDP from a new port, and waits for as long as it takes. */
async function ask(port: number): Promise<string> {
  const socket = createSocket('udp4');
  socket.send(encodeQuery(NAME, 'A'), port, HOST);
  const [bytes] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  return readReply(bytes).answer.join();
}

/**
 * Asks on a new connection, and once more where it was reset: a thread that ends may accept one in its last round, and
 * clients ask again then (RFC 7766 section 6.2.4).
 */
async function askOverTcp(port: number, attempts = 2): Promise<string> {
  const socket = connect({ host: HOST, port });
  const query = encodeQuery(NAME, 'A');
  socket.write(Buffer.concat([Buffer.from([0, query.length]), query]));
  try {
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    return readReply(bytes.subarray(2)).answer.join();
  } catch (error) {
    if (attempts === 1 || !isErrno(error, 'ECONNRESET')) throw error;
    return await askOverTcp(port, attempts - 1);
  } finally {
    socket.destroy();
  }
}

const ANSWER = `${NAME}. 5 A 10.96.1.2`;

for (const [fault, expected] of Object.entries({
  exception: { message: 'a bug' },
  rejection: { message: 'a bug that waited' },
  memory: { message: 'its objects need more than 64 MiB' },
  endless: { message: 'it did nothing for 5 s' },
})) {
  t.test(`a worker's end by ${fault} loses no query and is told of`, async (t) => {
    const { pool, port, log, lost, faultComes } = setUp(t, 1);
    t.equal(await ask(port), ANSWER);
    await pool.gather();
    const broken: NameChange = { kind: 'namespace', name: fault, exists: true };
    pool.change([broken]);
    // What it has accepted ends with it: only from then on nothing may be lost.
    await faultComes;
    const answers = await Promise.all([
      ...Array.from({ length: 50 }, () => ask(port)),
      ...Array.from({ length: 5 }, () => askOverTcp(port)),
    ]);
    t.strictSame([...new Set(answers)], [ANSWER], 'all that was asked meanwhile');
    t.equal(pool.missing, 0);
    t.match(log, [{ worker: 0, err: expected, msg: /another takes its place/ }]);
    t.equal(log.length, 1);
    const requests = lost.flat().find(({ name }) => name === 'weft_dns_requests_total');
    t.match(requests?.values, [{ value: 1 }], 'what it had counted is not forgotten');
  });
}

t.test('answers do not wait for the main thread', async (t) => {
  const { port } = setUp(t, 1);
  t.equal(await ask(port), ANSWER);
  // This thread does nothing else until dig has ended.
  for (const protocol of ['+notcp', '+tcp']) {
    const args = [`@${HOST}`, '-p', String(port), '+short', '+tries=1', '+time=60', protocol, NAME];
    t.equal(execFileSync('dig', args, { encoding: 'utf8' }), '10.96.1.2\n', protocol);
  }
});

t.test('workers share a port, and each is told everything', async (t) => {
  const { pool, port } = setUp(t, 3);
  const answers = await Promise.all(Array.from({ length: 200 }, () => ask(port)));
  t.strictSame([...new Set(answers)], [ANSWER]);
  const counts = await pool.gather();
  const asked = counts.map(
    (one) => one.find(({ name }) => name === 'weft_dns_requests_total')?.values[0]?.value ?? 0,
  );
  t.equal(
    asked.reduce((sum, value) => sum + value, 0),
    200,
  );
  t.ok(
    asked.every((value) => value > 0),
    `${asked.join()}: the kernel spreads clients`,
  );
});

t.test('sockets that somebody kept for us are used, and what waits in them is answered', async (t) => {
  const kept = openNameSockets({ host: HOST, port: 0, workers: 1, inherited: [] });
  const [{ port, udp, tcp }] = kept as [(typeof kept)[0]];
  const waiting = [ask(port), askOverTcp(port)];
  const pool = new WorkerPool({
    count: 2,
    settings: () => settings,
    names: () => [names],
    onLost: () => undefined,
    log: pino({ level: 'silent' }),
  });
  const inherited = [
    { protocol: 'udp' as const, host: HOST, port, fd: udp },
    { protocol: 'tcp' as const, host: HOST, port, fd: tcp },
  ];
  const sockets = openNameSockets({ host: HOST, port, workers: 2, inherited });
  t.teardown(async () => {
    await pool.stop('leave');
    closeNameSockets(sockets);
  });
  t.match(sockets, [
    { port, udp, tcp },
    { port, udp: Number, tcp: Number },
  ]);
  pool.start();
  pool.setSynced('synced');
  pool.listen(sockets);
  t.strictSame(await Promise.all(waiting), [ANSWER, ANSWER]);
  t.throws(() => openNameSockets({ host: HOST, port, workers: 1, inherited: [] }), {
    code: 'CannotListen',
    message: /\(TCP\): the port is in use/,
  });
});

t.test('queries that fail do not each cost the main thread a message', async (t) => {
  const { promise: allTold, resolve } = Promise.withResolvers<undefined>();
  let lines = 0;
  const pool = new WorkerPool({
    count: 1,
    settings: () => settings,
    names: () => [names],
    onLost: () => undefined,
    log: pino({ level: 'debug' }, { write: (line) => void (lines += Number(line.includes('no answer'))) }),
  });
  const sockets = openNameSockets({ host: HOST, port: 0, workers: 1, inherited: [] });
  t.teardown(async () => {
    await pool.stop('leave');
    closeNameSockets(sockets);
  });
  pool.start();
  pool.setSynced('synced');
  pool.setPlan({ servers: [], stubDomains: [], policy: 'sequential', mixCase: false });
  pool.listen(sockets);
  const client = createSocket('udp4');
  t.teardown(() => client.close());
  const queries = 1000;
  let answered = 0;
  const ask = (): void =>
    client.send(encodeQuery(`n${String(answered)}.example.org`, 'A'), sockets[0]?.port ?? 0, HOST);
  client.on('message', () => {
    answered += 1;
    if (answered < queries) ask();
    else resolve(undefined);
  });
  ask();
  await allTold;
  // Messages come in order: what was to be told came before.
  await pool.gather();
  t.ok(lines > 0, 'it is told');
  t.ok(lines < queries, `${String(lines)} of ${String(queries)}`);
});
