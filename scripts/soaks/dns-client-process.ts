/**
 * A client as clients should be: asks a DNS server on 127.0.0.1 from 127.0.0.9, a hundred times a second for a name of
 * the cluster and as often for one that another DNS server has, which is here too. Ends with its input and prints then
 * how it was served, as JSON: {@link Served} of both.
 * Usage: dns-client-process.ts PORT UPSTREAM-PORT
 */
import { createSocket } from 'node:dgram';
import { startDnsServer } from '../../dns/server.ts';
import { staticZone } from '../../dns/static-zone.ts';
import { encodeQuery } from '../../rig/dns-query.ts';

export interface Served {
  readonly asked: number;
  readonly lost: number;
  /** How long answers took. */
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly slowestMs: number;
}

const [port = 0, upstreamPort = 0] = process.argv.slice(2).map(Number);
const everyMs = 10;
/** Whoever has no answer by then has lost it. */
const patienceMs = 2000;

const good = staticZone(
  Object.fromEntries(Array.from({ length: 4096 }, (_, i) => [`n${i}.good.test`, ['A 192.0.2.1']])),
);
await startDnsServer({
  addresses: [{ host: '127.0.0.1', port: upstreamPort }],
  // A server that takes its time, except for the good client's names.
  handler: (query, out) =>
    query.name.includes('\x04good') ? good(query, out) : new Promise(() => undefined),
});

class Asker {
  readonly #socket = createSocket('udp4');
  readonly #nameOf: (turn: number) => string;
  readonly #waiting = new Map<number, number>();
  readonly #took: number[] = [];
  #asked = 0;

  constructor(nameOf: (turn: number) => string) {
    this.#nameOf = nameOf;
    this.#socket.on('message', (answer: Buffer) => {
      const id = answer.readUInt16BE(0);
      const sentAt = this.#waiting.get(id);
      // An error is no answer.
      if (sentAt === undefined || (answer.readUInt16BE(2) & 15) !== 0) return;
      this.#waiting.delete(id);
      this.#took.push(performance.now() - sentAt);
    });
    this.#socket.bind(0, '127.0.0.9');
  }

  ask(): void {
    this.#asked += 1;
    this.#waiting.set(this.#asked & 0xffff, performance.now());
    const name = this.#nameOf(this.#asked);
    this.#socket.send(encodeQuery(name, 'A', { id: this.#asked & 0xffff }), port, '127.0.0.1');
  }

  report(): Served {
    const sorted = this.#took.toSorted((a, b) => a - b);
    const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Infinity;
    return {
      asked: this.#asked,
      lost: this.#waiting.size,
      medianMs: at(0.5),
      p99Ms: at(0.99),
      slowestMs: at(1),
    };
  }
}

const cluster = new Asker(() => 'bench-0.default.svc.cluster.local');
const elsewhere = new Asker((turn) => `n${turn % 4096}.good.test`);
const asking = setInterval(() => {
  cluster.ask();
  elsewhere.ask();
}, everyMs);
process.stdin.on('end', () => {
  clearInterval(asking);
  setTimeout(() => {
    process.stdout.write(JSON.stringify({ cluster: cluster.report(), elsewhere: elsewhere.report() }));
    process.exit();
  }, patienceMs);
});
process.stdin.resume();
