import { setTimeout as sleep } from 'node:timers/promises';
import type { Family } from '../../netns/ip.ts';
import { incidents } from './healing-incidents.ts';
import type { Incident } from './healing-incidents.ts';
import { HealingSite } from './healing-site.ts';
import type { SiteSettings } from './healing-site.ts';
import { EchoTraffic } from './healing-traffic.ts';
import type { Bench, BenchFigure } from './result.ts';
import { median } from './statistics.ts';

const rounds = 5;
const aimMs = 2_000;

const familyNames: Readonly<Record<Family, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' };
const sites: Readonly<Record<string, SiteSettings>> = {
  'vxlan-ipv4': { mode: 'vxlan', underlay: 'ipv4' },
  'vxlan-ipv6': { mode: 'vxlan', underlay: 'ipv6' },
  'direct-ipv4': { mode: 'direct', underlay: 'ipv4' },
  'direct-ipv6': { mode: 'direct', underlay: 'ipv6' },
};

/** The longest time in ms that packets of any family did not get through. */
async function measureGap(
  site: HealingSite,
  traffic: readonly EchoTraffic[],
  { before, script }: Incident,
): Promise<number> {
  const settle = (since: number): Promise<number[]> =>
    Promise.all(traffic.map((each) => each.longestGapMs(since)));
  await settle(Date.now());
  const change = site.nextChange();
  if (before !== undefined) {
    site.run(before.script, change);
    await sleep(before.awayMs);
  }
  const since = Date.now();
  site.run(script, change);
  return Math.max(...(await settle(since)));
}

async function measureSite(settings: SiteSettings): Promise<BenchFigure[]> {
  await using undo = new AsyncDisposableStack();
  const site = undo.use(await HealingSite.start(settings));
  const traffic = site.reachable.map((address) => undo.use(new EchoTraffic(site.from, address)));
  const figures: BenchFigure[] = [];
  for (const incident of incidents) {
    const gaps: number[] = [];
    for (let round = 0; round < rounds; round += 1) gaps.push(await measureGap(site, traffic, incident));
    figures.push({
      name: `${settings.mode}, ${familyNames[settings.underlay]}: ${incident.name}`,
      value: Math.max(...gaps),
      unit: 'ms',
      aim: aimMs,
      note: `longest of ${rounds}; p50 ${median(gaps).toFixed(0)} ms`,
    });
  }
  return figures;
}

/**
 * What happens to a node of a cluster with all its parts (API server, agents, a container on each of two nodes), and how
 * long packets between the containers do not get through.
 */
export const bench: Bench = {
  name: 'healing',
  parts: Object.keys(sites),
  async run(parts) {
    const figures: BenchFigure[] = [];
    for (const [name, settings] of Object.entries(sites)) {
      if (parts.length === 0 || parts.includes(name)) figures.push(...(await measureSite(settings)));
    }
    return { name: 'healing', figures };
  },
};
