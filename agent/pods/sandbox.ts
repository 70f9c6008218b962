import * as fs from 'node:fs';
import { join } from 'node:path';
import { hostPortsOf } from '../../api/kinds/host-ports.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import { readBandwidth } from '../network/bandwidth.ts';
import { renderTime } from './events.ts';
import { renderHosts, renderNodeHosts } from './hosts-file.ts';
import type { NodeTools } from './node-tools.ts';
import type { PodPaths } from './paths.ts';
import { writeRecord } from './record.ts';
import type { PodRecord } from './record.ts';
import { nodeResolver, podResolver, renderResolvConf } from './resolv-conf.ts';
import { renderServiceEnvironment } from './service-environment.ts';

/** A new pod's record: what is fixed from its start on. */
export function startRecord(tools: NodeTools, pod: Pod): PodRecord {
  const { uid = '', namespace = '', name } = pod.metadata;
  const links = pod.spec.enableServiceLinks ?? true;
  return {
    uid,
    namespace,
    name,
    bootId: tools.bootId,
    startTime: pod.status?.startTime ?? renderTime(new Date()),
    ips: [],
    serviceEnvironment: renderServiceEnvironment(tools.context.caches.services.list(), namespace, links),
    containers: {},
  };
}

/** Gives a pod its network and its own files in /etc, and notes it. Idempotent; throws what the network throws. */
export async function ensureSandbox(
  tools: NodeTools,
  pod: Pod,
  paths: PodPaths,
  record: PodRecord,
): Promise<PodRecord> {
  // Noted before it is made: whatever happens from here on, this pod's leftovers are known by its directory.
  writeRecord(paths.record, record);
  const attached = pod.spec.hostNetwork ? record : await attach(tools, pod, record);
  fs.mkdirSync(paths.etc, { recursive: true, mode: 0o755 });
  for (const [name, content] of Object.entries(renderEtc(tools, pod, attached.ips))) {
    fs.writeFileSync(join(paths.etc, name), content, { mode: 0o644 });
  }
  writeRecord(paths.record, attached);
  return attached;
}

async function attach(tools: NodeTools, pod: Pod, record: PodRecord): Promise<PodRecord> {
  const { uid, namespace, name } = record;
  const ports = hostPortsOf(pod.spec);
  const bandwidth = readBandwidth(pod.metadata.annotations ?? {});
  const { netns, ips } = await tools.network.attach({
    id: uid,
    pod: { uid, namespace, name },
    ...(ports.length > 0 ? { ports } : {}),
    ...(bandwidth ? { bandwidth } : {}),
  });
  return { ...record, netns, ips };
}

/** A pod's hostname: its own, or its name as far as a hostname may be long (63). */
export function podHostname(tools: NodeTools, pod: Pod): string {
  if (pod.spec.hostNetwork) return tools.context.nodeName;
  return pod.spec.hostname ?? pod.metadata.name.slice(0, 63).replace(/[-.]+$/, '');
}

/** The pod's files in /etc, by name. */
export const etcFiles: readonly string[] = ['hostname', 'hosts', 'resolv.conf'];

function renderEtc(tools: NodeTools, pod: Pod, ips: readonly string[]): Record<string, string> {
  const { cluster, config } = tools.context;
  const { namespace = '' } = pod.metadata;
  const hostname = podHostname(tools, pod);
  const aliases = pod.spec.hostAliases ?? [];
  const hosts = pod.spec.hostNetwork
    ? renderNodeHosts(readText('/etc/hosts'), aliases)
    : renderHosts({ hostname, subdomain: pod.spec.subdomain, namespace, zone: cluster.zone, ips, aliases });
  const { resolver, warnings } = podResolver({
    namespace,
    dnsPolicy: pod.spec.dnsPolicy ?? 'ClusterFirst',
    hostNetwork: pod.spec.hostNetwork ?? false,
    dnsConfig: pod.spec.dnsConfig,
    cluster,
    node: nodeResolver({ upstreams: config.upstreams, readFile: readText }),
  });
  for (const { reason, message } of warnings) tools.events.record(pod, { type: 'Warning', reason, message });
  return { hostname: `${hostname}\n`, hosts, 'resolv.conf': renderResolvConf(resolver) };
}

function readText(file: string): string {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
}
