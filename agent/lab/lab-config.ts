import { join } from 'node:path';
import { stringify } from 'yaml';
import type { GivenSettings } from '../config/settings.ts';
import { apiPort, labPools, serverHost } from './lab-plan.ts';
import type { LabHost, LabPlan } from './lab-plan.ts';

/** The API server's state: `<lab>/server`. */
export function serverStateDir(plan: LabPlan): string {
  return join(plan.stateDir, 'server');
}

export function adminKubeconfig(plan: LabPlan): string {
  return join(serverStateDir(plan), 'admin.kubeconfig');
}

/** The configuration file of the lab's API server, as text. */
export function renderServerConfig(plan: LabPlan): string {
  const { addresses } = serverHost(plan);
  return render({
    stateDir: plan.stateDir,
    listenAddresses: addresses,
    advertiseAddress: addresses[0] ?? '',
    apiNames: ['127.0.0.1', 'localhost', 'node1'],
    nodeIPs: addresses,
    apiPort,
    loadBalancerPools: labPools,
  });
}

/** The configuration file of a node's agent, as text. */
export function renderAgentConfig(plan: LabPlan, host: LabHost): string {
  const [server] = serverHost(plan).addresses;
  return render({
    nodeName: host.name,
    server: `https://${server ?? ''}:${apiPort}`,
    tokenFile: join(serverStateDir(plan), 'token'),
    stateDir: host.stateDir,
    runDir: host.runDir,
    nodeIPs: host.addresses,
    // The outside reaches them: the guide's `https://<ExternalIP>:<nodePort>` works from there.
    externalIPs: host.addresses,
    backend: plan.settings.backend,
    networkMode: plan.settings.networkMode,
    podLink: plan.settings.podLink,
    upstreams: plan.outside.addresses,
    // A lab's nodes share the machine's files, and its runtimes are not theirs.
    cniConfigDir: join(host.runDir, 'cni', 'net.d'),
    cniBinDirs: [join(host.runDir, 'cni', 'bin')],
  });
}

function render(settings: GivenSettings): string {
  return stringify(settings);
}

/** The environment of everything that runs on a lab's host. */
export function hostEnvironment(plan: LabPlan, host: LabHost): Record<string, string> {
  const { WEFT_DEBUG: _, ...inherited } = process.env;
  const clean = Object.entries(inherited).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith('WEFT_'),
  );
  return {
    ...Object.fromEntries(clean),
    KUBECONFIG: adminKubeconfig(plan),
    // The lock is per file, not per network namespace: nodes must not wait for each other, nor for the machine.
    XTABLES_LOCKFILE: join(host.runDir, 'xtables.lock'),
    ...(host === plan.outside
      ? {}
      : { WEFT_CONFIG: join(host.stateDir, 'weft.yaml'), WEFT_RUN_DIR: host.runDir }),
  };
}
