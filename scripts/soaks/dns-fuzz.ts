import { setTimeout as sleep } from 'node:timers/promises';
import { DnsArena, renderServed } from './dns-arena.ts';

const udpPackets = 1_000_000;
const tcpPackets = 100_000;
/** The longest that a good client may wait, and what the server may hold more in the end. */
const slowestMs = 50;
const growthMB = 20;
/**
 * Until a worker at rest has given back what only its collector holds (agent/heap.ts). While packets come, its heap
 * goes up and down by more than a leak of a million packets would show.
 */
const restMs = 16_000;

/** Hostile packets at full speed, the first tenth of them unmeasured: what is allocated once is not a leak. */
export async function fuzz(): Promise<string[]> {
  await using arena = await DnsArena.open();
  const wrong: string[] = [];
  for (const [protocol, count] of [
    ['udp', udpPackets],
    ['tcp', tcpPackets],
  ] as const) {
    const attack = { protocol, packets: 'hostile', seconds: 600 } as const;
    await arena.flood({ ...attack, count: count / 10 });
    await sleep(restMs);
    const before = arena.rss;
    const { cluster } = await arena.watch(async () => {
      const { sent, seconds } = await arena.flood({ ...attack, count });
      process.stdout.write(`${protocol}: ${sent} packets in ${seconds.toFixed(1)} s\n`);
    });
    const busy = arena.rss;
    await sleep(restMs);
    const after = arena.rss;
    process.stdout.write(`${protocol}: a good client: ${renderServed(cluster)}\n`);
    process.stdout.write(
      `${protocol}: memory ${before.toFixed(0)} MB at rest before, ${busy.toFixed(0)} MB at the end, ${after.toFixed(0)} MB at rest after\n`,
    );
    if (cluster.lost > 0 || cluster.slowestMs > slowestMs)
      wrong.push(`${protocol}: a good client had to wait`);
    if (after - before > growthMB) wrong.push(`${protocol}: memory grew`);
  }
  return [...wrong, ...arena.complaints];
}
