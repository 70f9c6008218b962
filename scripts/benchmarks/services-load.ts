import { runChild } from './services-child.ts';
import type { Owner, Tool } from './services-layouts.ts';
import type { LoadCost } from './services-load-process.ts';
import { MemoryGroup } from './services-memory.ts';
import { Site } from './services-place.ts';
import type { Place } from './services-place.ts';
import { median } from './statistics.ts';

/** Loads rules into a node's namespace, by a process of its own. */
export function loadInto(
  place: Place,
  owner: Owner,
  tool: Tool,
  count: number,
  { group, repairs = 0 }: { readonly group?: MemoryGroup; readonly repairs?: number } = {},
): Promise<LoadCost> {
  const { podRange, nodeIP } = place;
  const args = [owner, tool, String(count), podRange, nodeIP, String(repairs)];
  return runChild<LoadCost>('services-load-process.ts', args, {
    namespace: place.node,
    ...(group && { group: group.processes }),
  });
}

/** Seconds from the loss of all rules until they are there again, each of `rounds`. */
export async function measureRepairs(tool: Tool, count: number, rounds: number): Promise<readonly number[]> {
  using site = new Site();
  const { repairs = [] } = await loadInto(site.addPlace(), 'weft', tool, count, { repairs: rounds });
  return repairs;
}

/** Full load and what it leaves in the kernel. */
export interface FullLoad extends LoadCost {
  readonly kernelMegabytes: number;
}

/** The median of several loads of `count` Services into an empty node. */
export async function measureLoads(tool: Tool, count: number, rounds: number): Promise<FullLoad> {
  const loads: FullLoad[] = [];
  for (let i = 0; i < rounds; i += 1) loads.push(await measureLoad(tool, count));
  const of = (field: 'seconds' | 'cpu' | 'kernelMegabytes'): number =>
    median(loads.map((load) => load[field]));
  return { seconds: of('seconds'), cpu: of('cpu'), kernelMegabytes: of('kernelMegabytes') };
}

async function measureLoad(tool: Tool, count: number): Promise<FullLoad> {
  using site = new Site();
  using group = new MemoryGroup();
  const place = site.addPlace();
  const cost = await loadInto(place, 'weft', tool, count, { group });
  return { ...cost, kernelMegabytes: await group.kernelMegabytes() };
}
