import type { FamilyTraits } from './family.ts';
import { listOwnChains, renderBlocked, renderLeaf, renderOwnChain } from './iptables-rules.ts';
import type { Rule } from './iptables-rules.ts';
import type { Frontend, NodeSettings } from './model.ts';

/** Nothing jumps to it: what stands in it is looked at by the kernel and met by no packet. */
const chain = 'WEFT-PROBE';

/** Input of `iptables-restore --noflush` that the kernel refuses when it would refuse the rules of these frontends. */
export function renderProbe(
  traits: FamilyTraits,
  frontends: readonly Frontend[],
  settings: NodeSettings,
): string {
  const nat = frontends.flatMap((frontend) => [
    ...renderLeaf(traits, frontend),
    ...listOwnChains(frontend).flatMap((own) => renderOwnChain(traits, frontend, settings, own)),
  ]);
  const filter = frontends.flatMap((frontend) => renderBlocked(traits, frontend, settings));
  return renderTable('nat', nat) + renderTable('filter', filter);
}

/** The same for the matches that find sockets, and remember where none was found. */
export function renderSocketProbe({ hostMask }: FamilyTraits): string {
  return renderTable('raw', [
    '-m socket -j CT --notrack',
    `-m recent --rcheck --seconds 1 --name weft-probe --mask ${hostMask} --rdest -j RETURN`,
  ]);
}

/** Input that removes whatever a probe left, if anything. */
export function renderProbeEnd(): string {
  return ['raw', 'nat', 'filter']
    .map((table) => `*${table}\n:${chain} - [0:0]\n-X ${chain}\nCOMMIT\n`)
    .join('');
}

function renderTable(table: string, rules: readonly Rule[]): string {
  // Where a rule leads does not matter, and our other chains may not be there.
  const lines = rules.map((rule) => `-A ${chain} ${rule.replace(/ -j WEFT-\S+$/, '')}\n`);
  return `*${table}\n:${chain} - [0:0]\n${lines.join('')}COMMIT\n`;
}
