/**
 * Cluster names as a daemon under a service manager, in a network namespace of a test's. Knows one Service, which it
 * reads when a file appears; ends by SIGUSR2 (a restart) and SIGTERM. Logs to standard output.
 */
import { existsSync, readFileSync } from 'node:fs';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { takeInheritedFds } from '../../../agent/inherited-fds.ts';
import { takeOverSockets } from '../../../agent/names/handover.ts';
import { ClusterNames } from '../../../agent/names/names.ts';
import { notifyServiceManager } from '../../../agent/notify.ts';
import type { AgentContext } from '../../../agent/subsystem.ts';
import type { EndpointSlice } from '../../../api/kinds/endpoint-slice.ts';
import type { Namespace } from '../../../api/kinds/namespace.ts';
import type { Service } from '../../../api/kinds/service.ts';
import { FakeCache } from '../../../rig/fake-cache.ts';
import { clusterDns, forwarding } from './forwarding.ts';

/** What the test wants of it, read anew at each start. */
export interface HandoverSettings {
  readonly dnsIPs: readonly string[];
  readonly dnsWorkers: number;
  /** The one Service's address. */
  readonly address: string;
  /** Nothing is known before this file is there. */
  readonly syncFile: string;
}

const settings = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as HandoverSettings;
const log = pino();
const services = new FakeCache<Service>(({ metadata }) => `default/${metadata.name}`);
const endpointSlices = new FakeCache<EndpointSlice>(({ metadata }) => metadata.name);
const namespaces = new FakeCache<Namespace>(({ metadata }) => metadata.name);
const context = {
  nodeName: 'node1',
  cluster: {
    clusterCIDRs: ['10.244.0.0/16'],
    serviceCIDRs: ['10.96.0.0/16'],
    dnsIPs: settings.dnsIPs,
    zone: 'cluster.local',
  },
  config: { upstreams: ['10.96.0.10:54'], forwarding, clusterDns, dnsWorkers: settings.dnsWorkers },
  caches: { services, endpointSlices, namespaces },
  log,
  metrics: new Registry(),
} as unknown as AgentContext;
const names = new ClusterNames(context, {
  inherited: takeOverSockets(takeInheritedFds(), log),
  // For ever: queries shall wait for the names.
  patience: { restoredMs: 600_000, unsyncedMs: 600_000 },
});
process.on('SIGUSR2', () => void names.stop('restart').then(() => process.exit()));
process.on('SIGTERM', () => void names.stop('stop').then(() => process.exit()));
await names.start();
const waiting = setInterval(() => {
  if (!existsSync(settings.syncFile)) return;
  clearInterval(waiting);
  services.set({
    metadata: { name: 'web', namespace: 'default' },
    spec: { clusterIP: settings.address, ports: [{ port: 80 }] },
  });
  for (const cache of [services, endpointSlices, namespaces]) cache.sync();
}, 5);
notifyServiceManager('READY=1');
