/** One node's announcer in a process of its own, started inside the node's namespace; it joins the API as a node does. */
import pino from 'pino';
import { Registry } from 'prom-client';
import { Announcer } from '../../../agent/announce/announcer.ts';
import { AgentCaches } from '../../../agent/caches.ts';
import type { AgentConfig } from '../../../agent/config/config.ts';
import { Membership } from '../../../agent/node/join.ts';
import type { AgentContext, Ending } from '../../../agent/subsystem.ts';
import { ApiClient } from '../../../api/client/client.ts';
import type { ClusterConfig } from '../../../api/cluster.ts';

export interface AnnouncerSettings {
  readonly config: AgentConfig;
  readonly cluster: ClusterConfig;
  readonly token: string;
}

const { config, cluster, token } = JSON.parse(process.argv[2] ?? '{}') as AnnouncerSettings;
const { nodeName, stateDir, server } = config;
const log = pino({ level: process.env['LOG_LEVEL'] ?? 'silent' }).child({ node: nodeName });
const membership = new Membership(config, { token, tokenFile: '' }, log);
const { ca, cert, key } = await membership.ensure(new AbortController().signal);
const client = new ApiClient({ server, ca, cert, key });
const caches = new AgentCaches({ client, server: config.server, nodeName, stateDir, log });
caches.start();
const metrics = new Registry();
const context: AgentContext = {
  nodeName,
  config,
  cluster,
  client,
  log,
  metrics,
  caches: caches.caches,
};
const announcer = new Announcer(context, () => true);
await announcer.start();

/** The test asks for the metrics, or for an end of one kind or the other. */
async function obey(command: 'metrics' | Ending): Promise<void> {
  if (command === 'metrics') {
    process.send?.(await metrics.metrics());
    return;
  }
  await announcer.stop(command);
  process.exit();
}

process.on('message', (command: 'metrics' | Ending) => void obey(command));
process.on('disconnect', () => process.exit());
process.send?.('started');
