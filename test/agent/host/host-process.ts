/** A node's watch over its host in a process of its own, started inside the node's namespace. Answers `{ id, result }`. */
import pino from 'pino';
import { Registry } from 'prom-client';
import { HostWatch } from '../../../agent/host/host-watch.ts';
import { nodeSysctls } from '../../../agent/network/host-settings.ts';
import { SettingsKeeper } from '../../../agent/host/settings.ts';
import type { Event } from '../../../api/kinds/event.ts';

const { nodeName, nodeIPs } = JSON.parse(process.argv[2] ?? '{}') as {
  nodeName: string;
  nodeIPs: string[];
};

const settings = new SettingsKeeper();
// As the node's network does, which has a process of its own here.
settings.want(nodeSysctls({ name: 'eth0', acceptsRouters: false }));
const events: string[] = [];
const metrics = new Registry();
const watch = new HostWatch(
  {
    nodeName,
    metrics,
    log: pino({ level: process.env['LOG_LEVEL'] ?? 'silent' }),
    config: { nodeIPs, vxlan: { port: 8472, vni: 117 }, port: 10_250, networkMode: 'auto' as const },
    cluster: {
      clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
      dnsIPs: ['10.96.0.10', 'fd00:10:96::a'],
    },
    client: {
      create: (_kind: unknown, object: Event): Promise<Event> => {
        const { type, reason, message } = object;
        events.push(`${type ?? ''} ${reason ?? ''} ${message ?? ''}`);
        return Promise.resolve(object);
      },
      patch: () => Promise.resolve({}),
    } as never,
    caches: { nodes: { get: () => ({ metadata: { name: nodeName, uid: 'u' } }) } },
  },
  settings,
  () => true,
  { min: 200, max: 60_000 },
);

const verbs = {
  start: () => watch.start(),
  health: () => watch.health(),
  events: () => Promise.resolve(events),
  troubles: async () => metrics.getSingleMetricAsString('weft_host_troubles'),
};

process.on('message', (message) => {
  const { id, verb } = message as { id: number; verb: keyof typeof verbs };
  void Promise.resolve(verbs[verb]()).then((result) => process.send?.({ id, result }));
});
process.on('disconnect', () => process.exit());
process.send?.({ id: 0 });
