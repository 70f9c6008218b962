/**
 * Asks a node's DNS at a steady rate while names change, and checks every answer. Runs on the node, by dns-restart.ts;
 * begins when it is told to on its input, which ends when it shall come to an end. Prints what it found as JSON.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import packet from 'dns-packet';
import { parse } from 'yaml';
import { ApiClient } from '../../api/client/client.ts';
import { CheckingClient } from './checking-client.ts';
import type { LoadDuty, LoadReport } from './dns-restart.ts';
import { ZoneChanges } from './zone-changes.ts';
import { ZoneHistory } from './zone-history.ts';

const duty = JSON.parse(process.argv[2] ?? '') as LoadDuty;
/** As many pods, each below the rate at which one is refused while there is no time for all (dns/client-rates.ts). */
const sockets = 32;
const names = 40;
/** The last client of the history is the one that asks over TCP. */
const tcpClient = sockets;
const tcpEveryMs = 100;
/** So often a tick sends what is due. */
const tickMs = 2;
/** Where the machine has no time for the rate that is wanted, it is a lower one, not bursts. */
const maxPerTick = 100;
/** Longer than any resolver waits: what is not answered then is lost. */
const graceMs = 10_000;

/** Whole answers by their bytes after the id: the same come again and again. */
const known = new Map<string, string>();

const history = new ZoneHistory(names, sockets + 1);
const changes = new ZoneChanges(openApi(duty), history, names);
const questions = changes.names.map((name) => encodeQuestion(name));
const report = { asked: 0, answered: 0, wrong: [] as string[], tcpAsked: 0, tcpAnswered: 0, tcpAgain: 0 };

const clients = Array.from({ length: sockets }, (_, index) => {
  const host = duty.dnsIPs[index % duty.dnsIPs.length] ?? '';
  const from = host.includes(':') ? `${duty.clientPrefix}${index.toString(16)}` : `127.53.0.${index + 1}`;
  const onAnswer = (name: number, answer: Buffer): void => {
    report.answered += 1;
    check(index, name, answer);
  };
  return new CheckingClient({
    from,
    host,
    port: 53,
    questions: questions.map((each) => Buffer.from(each)),
    onAnswer,
  });
});

await changes.prepare();
const ending = new AbortController();
process.stdin.on('end', () => {
  ending.abort();
});
process.stdin.resume();
process.stdout.write('ready\n');

let asking = true;
const tcp = askOverTcp();
const startedAt = performance.now();
const ticks = setInterval(() => {
  const due = Math.floor(((performance.now() - startedAt) / 1000) * duty.queriesPerSecond);
  const most = Math.min(due, report.asked + maxPerTick);
  for (; report.asked < most; report.asked += 1) {
    const client = clients[report.asked % sockets];
    client?.ask(Math.floor(Math.random() * names));
  }
}, tickMs);
while (!ending.signal.aborted || changes.made < duty.changes) {
  await changes.next();
  await sleep(1000 / duty.changesPerSecond);
}
clearInterval(ticks);
asking = false;
await tcp;
const outstanding = (): number => clients.reduce((sum, client) => sum + client.outstanding, 0);
for (const deadline = performance.now() + graceMs; outstanding() > 0 && performance.now() < deadline;)
  await sleep(20);
const lost = outstanding();
const stale = await countStale();
const found: LoadReport = {
  ...report,
  wrong: report.wrong.length,
  examples: report.wrong.slice(0, 10),
  lost,
  stale,
  changes: changes.made,
  longestMs: Math.max(...clients.map(({ longestMs }) => longestMs)),
  seconds: (performance.now() - startedAt) / 1000,
};
process.stdout.write(`${JSON.stringify(found)}\n`);
process.exit();

function openApi({ kubeconfig, server }: LoadDuty): ApiClient {
  const config = parse(readFileSync(kubeconfig, 'utf8')) as {
    clusters: [{ cluster: Record<string, string> }];
    users: [{ user: Record<string, string> }];
  };
  const decode = (text = ''): string => Buffer.from(text, 'base64').toString('utf8');
  return new ApiClient({
    server,
    ca: decode(config.clusters[0].cluster['certificate-authority-data']),
    cert: decode(config.users[0].user['client-certificate-data']),
    key: decode(config.users[0].user['client-key-data']),
    userAgent: 'soak',
  });
}

function encodeQuestion(name: string): Buffer {
  return packet.encode({
    type: 'query',
    flags: packet.RECURSION_DESIRED,
    questions: [{ name: `${name}.default.svc.cluster.local`, type: 'A' }],
  });
}

/** What an answer says: an address, that there is no such name, or, in words, what it should not say. */
function readState(answer: Buffer): string {
  const { rcode, answers } = packet.decode(answer) as packet.DecodedPacket & { rcode: string };
  if (rcode !== 'NOERROR') return rcode;
  const [first, second] = answers ?? [];
  return first?.type === 'A' && !second ? first.data : `${answers?.length ?? 0} records`;
}

function check(client: number, name: number, answer: Buffer): void {
  const bytes = answer.toString('latin1', 2);
  let state = known.get(bytes);
  if (state === undefined) {
    state = readState(answer);
    known.set(bytes, state);
  }
  const asked = questions[name] ?? Buffer.alloc(0);
  const echoes = answer.subarray(12, asked.length).equals(asked.subarray(12));
  if (echoes && history.accepts(client, name, state)) return;
  report.wrong.push(`${changes.names[name] ?? ''}: ${state}${echoes ? '' : ' for another question'}`);
}

/** One question at a time, each on a connection of its own; where that is closed, again, as clients do. */
async function askOverTcp(): Promise<void> {
  while (asking) {
    const name = Math.floor(Math.random() * names);
    report.tcpAsked += 1;
    for (const deadline = performance.now() + graceMs; performance.now() < deadline; report.tcpAgain += 1) {
      const answer = await exchangeOverTcp(name, deadline - performance.now());
      if (!answer) continue;
      report.tcpAnswered += 1;
      check(tcpClient, name, answer);
      break;
    }
    await sleep(tcpEveryMs);
  }
}

function exchangeOverTcp(name: number, withinMs: number): Promise<Buffer | undefined> {
  const question = questions[name] ?? Buffer.alloc(0);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(question.length);
  return new Promise((resolve) => {
    const socket = connect({ host: duty.dnsIPs[0] ?? '', port: 53 });
    let bytes = Buffer.alloc(0);
    const end = (answer?: Buffer): void => {
      resolve(answer);
      socket.destroy();
    };
    socket.setTimeout(withinMs, end);
    socket.on('error', () => end()).on('end', () => end());
    socket.on('data', (more) => {
      bytes = Buffer.concat([bytes, more]);
      if (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) end(bytes.subarray(2));
    });
    socket.write(Buffer.concat([length, question]));
  });
}

/** How many names are not answered as they were left. */
async function countStale(): Promise<number> {
  for (const deadline = performance.now() + graceMs; ;) {
    let stale = 0;
    for (const name of changes.names.keys()) {
      const answer = await exchangeOverTcp(name, graceMs);
      if (!answer || readState(answer) !== history.last(name)) stale += 1;
    }
    if (stale === 0 || performance.now() > deadline) return stale;
    await sleep(100);
  }
}
