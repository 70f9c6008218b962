import { isErrno } from '../netns/kernel-error.ts';
import { getLink } from '../netns/link.ts';
import { NetlinkSocket } from '../netns/netlink.ts';
import { runCommand, runIfInstalled } from './command.ts';
import type { Run } from './command.ts';
import { families } from './family.ts';
import type { FamilyTraits } from './family.ts';
import type { Variant } from './iptables-family.ts';
import { listLegacyTables } from './legacy-counters.ts';

/** What another program left that rewrites packets to Services, too. It is not ours: people are told how to remove it. */
export interface Leftover {
  /** For people: `kube-proxy's iptables-nft rules`. */
  readonly what: string;
  /** Removes it and nothing else; for a root shell. */
  readonly command: string;
}

/**
 * Finds what kube-proxy in any of its modes left in this network namespace: where both rewrite packets, whoever comes
 * first decides, and kube-proxy's rules lead to endpoints of the day it ended. Changes nothing; where no legacy tables
 * are, none are made.
 * @throws RulesError REFUSED when a listing is refused
 */
export async function listKubeProxyRules(run: Run = runCommand): Promise<Leftover[]> {
  const leftovers: Leftover[] = hasLink(ipvsLink) ? [ipvsLeftover] : [];
  const variantsOf = (traits: FamilyTraits): Variant[] =>
    listLegacyTables(traits).includes('nat') ? ['nft', 'legacy'] : ['nft'];
  const places = families.map((traits) => ({ traits, variants: variantsOf(traits) }));
  for (const { traits, variants } of places) {
    for (const variant of variants) {
      const text = await runIfInstalled(run, `${traits.command}-${variant}-save`, ['-t', 'nat']);
      if (kubeProxyChain.test(text ?? '')) leftovers.push(iptablesLeftover(traits, variant));
    }
  }
  const tables = await runIfInstalled(run, 'nft', ['list', 'tables']);
  for (const { nftProtocol } of families) {
    if (!tables?.split('\n').includes(`table ${nftProtocol} kube-proxy`)) continue;
    leftovers.push({
      what: `kube-proxy's nftables table "${nftProtocol} kube-proxy"`,
      command: `nft delete table ${nftProtocol} kube-proxy`,
    });
  }
  return leftovers;
}

/** Chains of kube-proxy only: kubelet makes others of the prefix, which are to stay (KUBE-FIREWALL, …-HINT, …-CANARY). */
const kubeProxyChain = /^:KUBE-(?:SERVICES|NODEPORTS|PROXY-CANARY|NODE-PORT|SVC-\w+) /m;
/** kubernetes/pkg/proxy/ipvs: the dummy link that has all Service addresses. */
const ipvsLink = 'kube-ipvs0';
const ipvsLeftover: Leftover = {
  what: `kube-proxy's IPVS addresses on the link ${ipvsLink}`,
  command: `ip link delete ${ipvsLink} && ipvsadm --clear`,
};

/** Kubernetes' own documentation removes them like this: all that names no such chain is restored as it was. */
function iptablesLeftover({ command }: FamilyTraits, variant: Variant): Leftover {
  const program = `${command}-${variant}`;
  return {
    what: `kube-proxy's ${program} rules`,
    command: `${program}-save | grep -v KUBE- | ${program}-restore`,
  };
}

function hasLink(name: string): boolean {
  using socket = new NetlinkSocket();
  try {
    getLink(socket, name);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENODEV')) return false;
    throw error;
  }
}
