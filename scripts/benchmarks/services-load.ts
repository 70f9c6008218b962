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
  group?: MemoryGroup,
): Promise<LoadCost> {
  const { podRange, nodeIP } = place;
  return runChild<LoadCost>('services-load-process.ts', [owner, tool, String(count), podRange, nodeIP], {
    namespace: place.node,
    ...(group && { group: group.processes }),
  });
}

/** Full load and what it leaves in the kernel. */
export interface FullLoad extends LoadCost {
  readonly kernelMegabytes: number;
}

/** The median of several loads of `count` Services into an empty node. */
export async function measureLoads(tool: Tool, count: number, rounds: number): Promise<FullLoad> {
  const loads: FullLoad[] = [];
  for (let i = 0; i < rounds; i += 1) loads.push(await measureLoad(tool, count));
  const of = (field: keyof FullLoad): number => median(loads.map((load) => load[field]));
  return { seconds: of('seconds'), cpu: of('cpu'), kernelMegabytes: of('kernelMegabytes') };
}

async function measureLoad(tool: Tool, count: number): Promise<FullLoad> {
  using site = new Site();
  using group = new MemoryGroup();
  const place = site.addPlace();
  const cost = await loadInto(place, 'weft', tool, count, group);
  return { ...cost, kernelMegabytes: await group.kernelMegabytes() };
}
