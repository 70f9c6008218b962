import pino from 'pino';
import type { Test } from 'tap';
import { isNotFound } from '../../../api/client/api-error.ts';
import { ApiClient } from '../../../api/client/client.ts';
import { Reflector } from '../../../api/client/reflector.ts';
import { leases, nodes, pods } from '../../../api/client/resources.ts';
import type { ClusterConfig } from '../../../api/cluster.ts';
import { startControllers } from '../../../api/controllers/controllers.ts';
import type { Controllers } from '../../../api/controllers/controllers.ts';
import type { NodeHealthTiming } from '../../../api/controllers/nodes/node-health.ts';
import type { Pod } from '../../../api/kinds/pod.ts';
import { startApiServer } from '../../../api/server/server.ts';
import type { ApiServer } from '../../../api/server/server.ts';
import { testCluster } from '../../cluster.ts';

/** The real API server with the controllers, and agents that only say that their pods run. */
export interface TestCluster {
  readonly client: ApiClient;
  readonly server: ApiServer;
  /** Ends the controllers and starts new ones, with nothing but what the API knows. */
  restartControllers(): Promise<void>;
  addNode(name: string): Promise<void>;
  /** What an agent does while it lives: moves its node's lease on. */
  renewLease(name: string): Promise<void>;
}

export async function startCluster(
  t: Test,
  options: { readonly nodeHealth?: NodeHealthTiming; readonly cluster?: ClusterConfig } = {},
): Promise<TestCluster> {
  const { cluster = testCluster } = options;
  const log = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
  const server = await startApiServer({
    stateDir: t.testdir(),
    cluster,
    listen: [{ host: '127.0.0.1', port: 0 }],
    listenFds: [],
    advertised: { address: '127.0.0.1' },
    log,
  });
  const client = new ApiClient({ ...server.loopback, userAgent: 'test' });
  const start = (): Controllers =>
    startControllers({ client, ca: server.loopback.ca, log, ...options, cluster });
  let controllers = start();
  const agents = new FakeAgents(client);
  agents.start();
  t.teardown(async () => {
    await agents.stop();
    await controllers.stop();
    client.close();
    await server.close();
  });
  return {
    client,
    server,
    async restartControllers() {
      await controllers.stop();
      controllers = start();
    },
    async addNode(name) {
      const ready = { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' };
      await client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name } });
      await client.patchStatus(nodes, { name }, { status: { conditions: [ready] } }, 'strategic');
      await client.create(leases, {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name, namespace: 'kube-node-lease' },
        spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime: '2026-01-01T00:00:00.000000Z' },
      });
    },
    async renewLease(name) {
      const at = { namespace: 'kube-node-lease', name };
      const renewTime = new Date().toISOString().replace('Z', '000Z');
      await client.patch(leases, at, { spec: { renewTime } }, 'merge');
    },
  };
}

/** Reports each bound pod as running, and lets go of those that are being deleted. */
class FakeAgents {
  readonly #client: ApiClient;
  readonly #reflector: Reflector<Pod>;
  #work = Promise.resolve();
  #addresses = 0;

  constructor(client: ApiClient) {
    this.#client = client;
    this.#reflector = new Reflector({ client, resource: pods });
    this.#reflector.subscribe((event) => {
      if (event.type !== 'added' && event.type !== 'updated') return;
      this.#work = this.#work.then(() => this.#attend(event.object));
    });
  }

  start(): void {
    this.#reflector.start();
  }

  async stop(): Promise<void> {
    await this.#reflector.stop();
    await this.#work;
  }

  async #attend(pod: Pod): Promise<void> {
    const { name, namespace, deletionTimestamp } = pod.metadata;
    if (!pod.spec.nodeName) return;
    try {
      if (deletionTimestamp !== undefined) {
        await this.#client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0 });
      } else if (pod.status?.phase !== 'Running') {
        await this.#client.patchStatus(pods, { namespace, name }, { status: this.#running() }, 'strategic');
      }
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  #running(): Pod['status'] {
    this.#addresses += 1;
    const ips = [`10.244.0.${this.#addresses}`, `fd00:10:244::${this.#addresses}`];
    return {
      phase: 'Running',
      podIP: ips[0] ?? '',
      podIPs: ips.map((ip) => ({ ip })),
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: new Date().toISOString() }],
    };
  }
}
