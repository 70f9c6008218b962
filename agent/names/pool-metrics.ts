import { Counter, Gauge, type Registry } from 'prom-client';
import type { AgentConfig } from '../config/config.ts';
import { SERVER } from './metrics.ts';

/** What only the main thread knows of cluster DNS. */
export class PoolMetrics {
  readonly #restarts: Counter;

  /** `missing` tells how many of the workers are not at work. */
  constructor(registry: Registry, config: AgentConfig, zone: string, missing: () => number) {
    const registers = [registry];
    this.#restarts = new Counter({
      name: 'weft_dns_worker_restarts_total',
      help: 'How often a DNS worker crashed and was started again.',
      registers,
    });
    new Gauge({
      name: 'weft_dns_workers',
      help: 'DNS workers that answer, and that are to.',
      labelNames: ['state'],
      registers,
      collect() {
        this.set({ state: 'working' }, config.dnsWorkers - missing());
        this.set({ state: 'wanted' }, config.dnsWorkers);
      },
    });
    const enabled = new Gauge({
      name: 'weft_dns_plugin_enabled',
      help: 'What of cluster DNS is switched on, by the name of the CoreDNS plugin that does the same.',
      labelNames: ['server', 'zone', 'name'],
      registers,
    });
    for (const [of, name] of listPlugins(config, zone)) enabled.set({ server: SERVER, zone: of, name }, 1);
  }

  restarted(): void {
    this.#restarts.inc();
  }
}

function listPlugins({ clusterDns, dnsQueryLog }: AgentConfig, zone: string): [zone: string, name: string][] {
  const ofCluster = [
    'kubernetes',
    ...(clusterDns.autopath ? ['autopath'] : []),
    ...(clusterDns.transferTo.length > 0 ? ['transfer'] : []),
  ];
  const ofAll = [
    'cache',
    'errors',
    'forward',
    'loop',
    'prometheus',
    ...(dnsQueryLog === undefined ? [] : ['log']),
  ];
  return [
    ...ofCluster.map((name): [string, string] => [zone, name]),
    ...ofAll.map((name): [string, string] => ['.', name]),
  ];
}
