import type { RuleSource } from '../../iptables/trace/sources.ts';
import { familyOf } from '../../netns/ip.ts';
import type { Need } from './crossings.ts';
import type { HostView } from './view.ts';

/** A program that keeps rules on hosts, and how its user tells it to let something through. */
interface RuleOwner {
  readonly name: string;
  /** Chains and tables that only it makes. */
  readonly mark: RegExp;
  /** A command for each thing to let through; absent: as for rules that nobody keeps. */
  readonly remedies?: (view: HostView) => Record<Need, string[]>;
}

const owners: readonly RuleOwner[] = [
  {
    name: 'firewalld',
    mark: /\bfirewalld\b|\bFWD[IO]?_\w+|\bFORWARD_(?:POLICIES|IN_ZONES|direct)\b/,
    remedies: ({ clusterCIDRs, vxlanPort, agentPort }) => {
      const trust = clusterCIDRs.map(
        (cidr) => `firewall-cmd --permanent --zone=trusted --add-source=${cidr}`,
      );
      return {
        pods: trust,
        dns: trust,
        vxlan: [`firewall-cmd --permanent --add-port=${vxlanPort}/udp`],
        agent: [`firewall-cmd --permanent --add-port=${agentPort}/tcp`],
      };
    },
  },
  {
    name: 'ufw',
    mark: /\bufw6?-/,
    remedies: ({ clusterCIDRs, vxlanPort, agentPort }) => ({
      pods: clusterCIDRs.flatMap((cidr) => [`ufw route allow from ${cidr}`, `ufw route allow to ${cidr}`]),
      dns: clusterCIDRs.map((cidr) => `ufw allow from ${cidr} to any port 53`),
      vxlan: [`ufw allow ${vxlanPort}/udp`],
      agent: [`ufw allow ${agentPort}/tcp`],
    }),
  },
  { name: 'Docker', mark: /\bDOCKER\b/ },
  { name: 'libvirt', mark: /\bLIBVIRT_/ },
  { name: 'kube-router', mark: /\bKUBE-ROUTER-/ },
];

/** Who made a table, for people: `Docker's rules (iptables-nft, table filter)`. */
export function describeSource({ program, table, text }: RuleSource): string {
  const owner = owners.find(({ mark }) => mark.test(`${table} ${text}`));
  const where = program === 'nft' ? `nft table ${table}` : `${program}, table ${table}`;
  return owner ? `the rules of ${owner.name} (${where})` : `somebody's rules (${where})`;
}

/** What to run so that rules of this table stop nothing of it any more. */
export function remedyFor(
  source: RuleSource,
  { need, chain }: { readonly need: Need; readonly chain: string },
  view: HostView,
): string {
  const owner = owners.find(({ mark }) => mark.test(`${source.table} ${source.text}`));
  const kept = owner?.remedies?.(view)[need];
  if (owner && kept) {
    const commands = [...kept, ...(owner.name === 'firewalld' ? ['firewall-cmd --reload'] : [])];
    return commands.join(' && ');
  }
  return source.program === 'nft'
    ? remedyForNft(source.table, need, chain, view)
    : remedyForIptables(source, need, chain, view);
}

function remedyForNft(table: string, need: Need, chain: string, view: HostView): string {
  const of = (address: string): string => (familyOf(address) === 'ipv4' ? 'ip' : 'ip6');
  const matches: Record<Need, () => string[]> = {
    pods: () =>
      view.clusterCIDRs.flatMap((cidr) => [`${of(cidr)} saddr ${cidr}`, `${of(cidr)} daddr ${cidr}`]),
    dns: () =>
      view.dnsIPs.map((address) => `${of(address)} daddr ${address} meta l4proto { tcp, udp } th dport 53`),
    vxlan: () => [`udp dport ${view.vxlanPort}`],
    agent: () => [`tcp dport ${view.agentPort}`],
  };
  const family = table.split(' ')[0];
  const commands = matches[need]()
    .filter((match) => family === 'inet' || !/^ip6? /.test(match) || match.startsWith(`${family} `))
    .map((match) => `nft 'insert rule ${table} ${chain} ${match} accept'`);
  return `${commands.join(' && ')} (and write it into what loads these rules, e.g. /etc/nftables.conf)`;
}

function remedyForIptables(
  { program, table }: RuleSource,
  need: Need,
  chain: string,
  view: HostView,
): string {
  const family = program.startsWith('ip6') ? 'ipv6' : 'ipv4';
  const isAlike = (address: string): boolean => familyOf(address) === family;
  const matches: Record<Need, () => string[]> = {
    pods: () => view.clusterCIDRs.filter(isAlike).flatMap((cidr) => [`-s ${cidr}`, `-d ${cidr}`]),
    dns: () =>
      view.dnsIPs
        .filter(isAlike)
        .flatMap((address) => [`-d ${address} -p udp --dport 53`, `-d ${address} -p tcp --dport 53`]),
    vxlan: () => [`-p udp --dport ${view.vxlanPort}`],
    agent: () => [`-p tcp --dport ${view.agentPort}`],
  };
  const commands = matches[need]().map((match) => `${program} -t ${table} -I ${chain} ${match} -j ACCEPT`);
  return commands.join(' && ');
}
