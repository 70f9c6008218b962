import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterConfig } from '../../api/cluster.ts';
import { isErrno } from '../../netns/kernel-error.ts';
import type { Config } from '../config/config.ts';
import { listMissing } from '../node/preflight.ts';
import { checkFirewalls } from './check-firewalls.ts';
import { checkGuards, checkLinkManagers, readLinks } from './checks.ts';
import { renderFinding } from './finding.ts';
import type { Finding } from './finding.ts';
import { hostDirectories } from './link-managers.ts';
import { routingSysctls, listWrongSettings } from './settings.ts';
import { nodeSysctls } from '../network/host-settings.ts';

/** Makes every check that the agent makes of its host, changing nothing; whether or not an agent runs. */
export async function examineHost({ agent, server }: Config): Promise<Finding[]> {
  const { clusterCIDRs, dnsIPs } = readCluster(agent.stateDir) ?? server.cluster;
  const { underlay, ours } = readLinks(agent.nodeIPs[0]);
  const known = {
    clusterCIDRs,
    dnsIPs,
    vxlanPort: agent.vxlan.port,
    agentPort: agent.port,
    nodeIPs: agent.nodeIPs,
  };
  const findings = [
    ...checkNeeds(agent.backend),
    ...checkAddress(agent.nodeIPs[0], underlay),
    ...listWrongSettings([
      ...nodeSysctls({ name: underlay ?? 'lo', acceptsRouters: false }),
      ...routingSysctls(underlay, ours, agent.networkMode),
    ]),
    ...checkLinkManagers(hostDirectories, { mend: false }),
    ...checkGuards(),
    ...(await checkFirewalls(known, { mend: false })),
  ];
  return [...findings, ...(await askAgent(agent.healthPort, findings.map(renderFinding)))];
}

function checkNeeds(backend: Config['agent']['backend']): Finding[] {
  const missing = listMissing(backend).map(({ message, remedy }): Finding => ({
    check: 'needs',
    state: 'trouble',
    found: message,
    remedy,
  }));
  const found = 'the programs and kernel features that weft needs are there';
  return missing.length > 0 ? missing : [{ check: 'needs', state: 'well', found }];
}

function checkAddress(address: string | undefined, link: string | undefined): Finding[] {
  if (link !== undefined)
    return [{ check: 'address', state: 'well', found: `the node's address ${address ?? ''} is on ${link}` }];
  const found = `the node's address ${address ?? '(none)'} is on no link`;
  return [{ check: 'address', state: 'trouble', found, remedy: 'set nodeIPs to addresses of this host' }];
}

/**
 * What the parts of a running agent say of themselves.
 * @param told what was found without it, which it need not say again
 */
async function askAgent(port: number, told: readonly string[]): Promise<Finding[]> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(3_000) });
    const lines = (await answer.text()).split('\n').filter(Boolean);
    return lines.map((line): Finding => {
      const [, part = '', reason = ''] = /^(\w+): ok(?: \((.*)\))?$/.exec(line) ?? [];
      if (part === '') {
        const remedy = 'see its log: journalctl -u weft@agent';
        return { check: 'agent', state: 'trouble', found: `the agent says: ${line}`, remedy };
      }
      const rest = told
        .reduce((text, each) => text.replace(each, ''), reason)
        .replaceAll(/(; )+/g, '; ')
        .replaceAll(/^; |; $/g, '');
      if (rest === '') return { check: 'agent', state: 'well', found: `the agent says: ${part}: ok` };
      return { check: 'agent', state: 'note', found: `the agent says: ${part}: ok, but ${rest}` };
    });
  } catch {
    // Nobody listens, or nobody who answers: that is all there is to know.
    const found = `no agent answers on port ${port}`;
    return [{ check: 'agent', state: 'trouble', found, remedy: 'start it: systemctl start weft@agent' }];
  }
}

function readCluster(stateDir: string): ClusterConfig | undefined {
  try {
    return JSON.parse(readFileSync(join(stateDir, 'cluster.json'), 'utf8')) as ClusterConfig;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
