import { runCommand } from '../../iptables/command.ts';
import type { Run } from '../../iptables/command.ts';
import { execFileSync } from 'node:child_process';
import type { Backend } from '../../iptables/backend.ts';
import { IptablesBackend } from '../../iptables/iptables.ts';
import { NftablesBackend } from '../../iptables/nftables.ts';
import { renderLinearLayout, renderSingleRule, renderVerdictLayout } from './services-peers.ts';

/** What programs packets: three kernel interfaces, each with its own tool. */
export const tools = ['nftables', 'iptables-nft', 'iptables-legacy'] as const;
export type Tool = (typeof tools)[number];

/** Whose rules: ours, kube-proxy's layout with the same number of Services, or a single DNAT rule. */
export const owners = ['weft', 'kube-proxy', 'single rule'] as const;
export type Owner = (typeof owners)[number];

export function makeBackend(tool: Tool, run: Run = runCommand): Backend {
  if (tool === 'nftables') return new NftablesBackend(run);
  return new IptablesBackend(tool === 'iptables-nft' ? 'nft' : 'legacy', run);
}

/**
 * How many Services kube-proxy's layouts are measured with at most: beyond it loading them takes minutes, which is
 * what `docs/performance.md` says about them.
 */
export const peerLimits: Readonly<Record<Tool, number>> = {
  nftables: 5_000,
  'iptables-nft': 10_000,
  'iptables-legacy': 10_000,
};

/** Loads rules that are not ours into this process's network namespace by the tool that made for them. */
export function loadForeign(owner: Exclude<Owner, 'weft'>, tool: Tool, count: number): void {
  const run = (program: string, args: readonly string[], input: string): void => {
    execFileSync(program, args, { input, stdio: ['pipe', 'ignore', 'inherit'] });
  };
  if (tool === 'nftables') {
    run('nft', ['-f', '-'], owner === 'single rule' ? renderSingleRule().nft : renderVerdictLayout(count));
    return;
  }
  // Without --noflush and --counters, which kube-proxy uses: ten times faster with iptables-nft, the same rules.
  const rules = owner === 'single rule' ? renderSingleRule().iptables : renderLinearLayout(count);
  run(`${tool}-restore`, ['-w', '60'], rules);
}
