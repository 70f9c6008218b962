import { families } from './family.ts';
import type { FamilyTraits } from './family.ts';
import { table } from './nftables-banks.ts';

/** One chain of the skeleton. */
export interface SkeletonChain {
  readonly name: string;
  /** `type … hook … priority …;` of a chain that the kernel calls; empty for the others. */
  readonly hook: string;
  readonly rules: readonly string[];
}

export function hook(
  name: string,
  type: string,
  at: string,
  priority: string,
  rules: readonly string[],
): SkeletonChain {
  return { name, hook: `type ${type} hook ${at} priority ${priority};`, rules };
}

export function forFamilies(render: (traits: FamilyTraits) => readonly string[]): string[] {
  return families.flatMap(render);
}

/** Lines that make chains hold exactly their rules. All chains are declared first: they jump to each other. */
export function renderChains(chains: readonly SkeletonChain[]): string[] {
  return [
    ...chains.map(({ name, hook }) => `add chain ${table} ${name}${hook === '' ? '' : ` { ${hook} }`}`),
    ...chains.map(({ name }) => `flush chain ${table} ${name}`),
    ...chains.flatMap(({ name, rules }) => rules.map((rule) => `add rule ${table} ${name} ${rule}`)),
  ];
}
