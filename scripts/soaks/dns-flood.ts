import { DnsArena, renderServed } from './dns-arena.ts';

const seconds = 10;
/** Under a flood the kernel may drop a packet of anybody's before we see it: so many are no starvation. */
const lostShare = 0.01;

const floods = [
  ['udp', 'hits'],
  ['udp', 'missing'],
  ['udp', 'elsewhere'],
  ['tcp', 'hits'],
] as const;

/** One client asks without end; another one shall notice as little as possible. */
export async function checkLimits(): Promise<string[]> {
  await using arena = await DnsArena.open();
  const wrong: string[] = [];
  for (const [protocol, packets] of floods) {
    let sent = 0;
    const { cluster, elsewhere } = await arena.watch(async () => {
      ({ sent } = await arena.flood({ protocol, packets, count: Number.MAX_SAFE_INTEGER, seconds }));
    });
    const rate = Math.round(sent / seconds);
    process.stdout.write(`${protocol} ${packets}, ${rate} a second:\n`);
    for (const [names, served] of Object.entries({ cluster, elsewhere })) {
      process.stdout.write(`  ${names}: ${renderServed(served)}\n`);
      if (served.lost > served.asked * lostShare) wrong.push(`${protocol} ${packets}: ${names} starve`);
    }
  }
  return [...wrong, ...arena.complaints];
}
