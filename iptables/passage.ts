import { ofFamily } from './iptables-rules.ts';
import type { FamilyTraits } from './family.ts';

/** Whose packets pass. */
export interface PassageSettings {
  readonly clusterCIDRs: readonly string[];
  readonly dnsIPs: readonly string[];
}

/** Our chains, and the rules of the kernel's chains that lead into them. */
const hooks = ['FORWARD', 'INPUT'].map((chain) => {
  const own = `WEFT-HOST-${chain}`;
  return { chain, own, jump: `-m comment --comment "weft host" -j ${own}` };
});

/**
 * Input of `iptables-restore --noflush` that lets pods' packets through a filter table that is nobody's backend of ours
 * and would stop them, or takes the passage away again (`wanted` undefined); undefined when there is nothing to change.
 * First in the kernel's chains, as the Services' rules are where iptables holds them.
 * @param saved what iptables-save prints of the filter table
 */
export function planPassage(
  saved: string,
  traits: FamilyTraits,
  wanted: PassageSettings | undefined,
): string | undefined {
  const rules = wanted ? renderRules(traits, wanted) : [];
  const lines = saved.split('\n');
  const own = hooks.map((hook) => hook.own).filter((chain) => lines.some((line) => isDeclared(line, chain)));
  const present = lines.filter((line) => line.startsWith('-A WEFT-HOST-'));
  const jumps = hooks.flatMap(({ chain, jump }) => lines.filter((line) => line === `-A ${chain} ${jump}`));
  const settled = wanted
    ? sameLines(present, rules) && hooks.every((hook) => leadsFirst(lines, hook))
    : own.length === 0 && jumps.length === 0;
  if (settled) return undefined;
  const unhook = jumps.map((line) => line.replace(/^-A/, '-D'));
  const change = wanted
    ? [
        ...hooks.map((hook) => `:${hook.own} - [0:0]`),
        ...rules,
        ...unhook,
        ...hooks.map(({ chain, jump }) => `-I ${chain} 1 ${jump}`),
      ]
    : [...own.map((chain) => `:${chain} - [0:0]`), ...unhook, ...own.map((chain) => `-X ${chain}`)];
  return ['*filter', ...change, 'COMMIT', ''].join('\n');
}

/** The same table as if there were no passage: whether one is needed shows only so. */
export function withoutPassage(saved: string): string {
  return saved
    .split('\n')
    .filter((line) => !/ -j WEFT-HOST-\w+$/.test(line))
    .join('\n');
}

function renderRules(traits: FamilyTraits, { clusterCIDRs, dnsIPs }: PassageSettings): string[] {
  const cluster = ofFamily(traits, clusterCIDRs);
  const dns = ofFamily(traits, dnsIPs).flatMap((address) =>
    cluster.flatMap((cidr) =>
      ['udp', 'tcp'].map(
        (protocol) =>
          `-s ${cidr} -d ${address}/${String(traits.bits)} -p ${protocol} -m ${protocol} --dport 53 -j ACCEPT`,
      ),
    ),
  );
  return [
    ...cluster.map((cidr) => `-A WEFT-HOST-FORWARD -s ${cidr} -j ACCEPT`),
    ...cluster.map((cidr) => `-A WEFT-HOST-FORWARD -d ${cidr} -j ACCEPT`),
    ...dns.map((rule) => `-A WEFT-HOST-INPUT ${rule}`),
  ];
}

function isDeclared(line: string, chain: string): boolean {
  return line.startsWith(`:${chain} `);
}

function leadsFirst(lines: readonly string[], { chain, jump }: (typeof hooks)[number]): boolean {
  return lines.find((line) => line.startsWith(`-A ${chain} `)) === `-A ${chain} ${jump}`;
}

function sameLines(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, index) => line === b[index]);
}
