import type { RuleTable } from '../../iptables/trace/rule-tables.ts';
import { familyOf } from '../../netns/ip.ts';
import type { Need } from './crossings.ts';
import type { Block } from './firewalls.ts';
import type { HostView } from './view.ts';

/** A program that keeps rules on hosts, and how its user tells it to let something through. */
interface RuleOwner {
  readonly name: string;
  /** Chains and tables that only it makes. */
  readonly mark: RegExp;
  /**
   * Commands for each thing to let through; absent: as for rules that nobody keeps.
   * @param decider the chain that stopped it
   */
  readonly remedies?: (view: HostView, decider: string) => Record<Need, string[]>;
  /** What puts them into effect. */
  readonly finally?: readonly string[];
}

const owners: readonly RuleOwner[] = [
  {
    name: 'firewalld',
    mark: /\bfirewalld\b|\bFWD[IO]?_\w+|\bFORWARD_(?:POLICIES|IN_ZONES|direct)\b/,
    remedies: ({ clusterCIDRs, vxlanPort, agentPort }, decider) => {
      const permanent = (...words: string[]): string => ['firewall-cmd --permanent', ...words].join(' ');
      const trust = clusterCIDRs.map((cidr) => permanent('--zone=trusted', `--add-source=${cidr}`));
      // A zone's chains are named after it (filter_IN_public); without a zone the default one takes it.
      const [, zone] = /^(?:filter_)?IN_([^_]\w*)$/.exec(decider) ?? [];
      const place = zone === undefined ? [] : [`--zone=${zone}`];
      // Zones only forward between their own members. A policy is about a pair of them; its creation may be a repetition.
      const policy = '--policy=weft-pods';
      const admit = [
        `(${permanent('--get-policies')} | grep -qw weft-pods || ${permanent('--new-policy=weft-pods')})`,
        permanent(policy, '--add-ingress-zone=ANY'),
        permanent(policy, '--add-egress-zone=trusted'),
        permanent(policy, '--set-target=ACCEPT'),
      ];
      return {
        pods: trust,
        inbound: [...trust, ...admit],
        dns: trust,
        vxlan: [permanent(...place, `--add-port=${vxlanPort}/udp`)],
        agent: [permanent(...place, `--add-port=${agentPort}/tcp`)],
      };
    },
    finally: ['firewall-cmd --reload'],
  },
  {
    name: 'ufw',
    mark: /\bufw6?-/,
    remedies: ({ clusterCIDRs, vxlanPort, agentPort }) => ({
      pods: clusterCIDRs.flatMap((cidr) => [`ufw route allow from ${cidr}`, `ufw route allow to ${cidr}`]),
      inbound: clusterCIDRs.map((cidr) => `ufw route allow to ${cidr}`),
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
export function describeTable({ program, name, text }: RuleTable): string {
  const owner = owners.find(({ mark }) => mark.test(`${name} ${text}`));
  const where = program === 'nft' ? `nft table ${name}` : `${program}, table ${name}`;
  return owner ? `the rules of ${owner.name} (${where})` : `somebody's rules (${where})`;
}

/** What to run so that a rule of this table stops nothing of it any more. */
export function remedyFor(table: RuleTable, block: Block, view: HostView): string {
  const owner = owners.find(({ mark }) => mark.test(`${table.name} ${table.text}`));
  const kept = owner?.remedies?.(view, block.decider);
  const commandsFor = (need: Need): string[] => {
    if (kept) return kept[need];
    return table.program === 'nft'
      ? listNftCommands(table.name, need, block.chain, view)
      : listIptablesCommands(table, need, block.chain, view);
  };
  // Needs have commands in common.
  const commands = [...new Set(block.needs.flatMap(commandsFor)), ...(owner?.finally ?? [])].join(' && ');
  if (kept) return commands;
  const file = table.program === 'nft' ? ', e.g. /etc/nftables.conf' : '';
  return `${commands} # and write it into what loads these rules${file}`;
}

function listNftCommands(table: string, need: Need, chain: string, view: HostView): string[] {
  const of = (address: string): string => (familyOf(address) === 'ipv4' ? 'ip' : 'ip6');
  const matches: Record<Need, () => string[]> = {
    pods: () =>
      view.clusterCIDRs.flatMap((cidr) => [`${of(cidr)} saddr ${cidr}`, `${of(cidr)} daddr ${cidr}`]),
    inbound: () => view.clusterCIDRs.map((cidr) => `${of(cidr)} daddr ${cidr}`),
    dns: () =>
      view.dnsIPs.map((address) => `${of(address)} daddr ${address} meta l4proto { tcp, udp } th dport 53`),
    vxlan: () => [`udp dport ${view.vxlanPort}`],
    agent: () => [`tcp dport ${view.agentPort}`],
  };
  const family = table.split(' ')[0];
  return matches[need]()
    .filter((match) => family === 'inet' || !/^ip6? /.test(match) || match.startsWith(`${family} `))
    .map((match) => `nft 'insert rule ${table} ${chain} ${match} accept'`);
}

function listIptablesCommands(
  { program, name }: RuleTable,
  need: Need,
  chain: string,
  view: HostView,
): string[] {
  const family = program.startsWith('ip6') ? 'ipv6' : 'ipv4';
  const isAlike = (address: string): boolean => familyOf(address) === family;
  const matches: Record<Need, () => string[]> = {
    pods: () => view.clusterCIDRs.filter(isAlike).flatMap((cidr) => [`-s ${cidr}`, `-d ${cidr}`]),
    inbound: () => view.clusterCIDRs.filter(isAlike).map((cidr) => `-d ${cidr}`),
    dns: () =>
      view.dnsIPs
        .filter(isAlike)
        .flatMap((address) => [`-d ${address} -p udp --dport 53`, `-d ${address} -p tcp --dport 53`]),
    vxlan: () => [`-p udp --dport ${view.vxlanPort}`],
    agent: () => [`-p tcp --dport ${view.agentPort}`],
  };
  return matches[need]().map((match) => `${program} -t ${name} -I ${chain} ${match} -j ACCEPT`);
}
