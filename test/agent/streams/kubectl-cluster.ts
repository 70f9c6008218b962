import { execa } from 'execa';
import pino from 'pino';
import type { Test } from 'tap';
import { ApiClient } from '../../../api/client/client.ts';
import { nodes, pods } from '../../../api/client/resources.ts';
import { startApiServer } from '../../../api/server/server.ts';
import { testCluster } from '../../cluster.ts';
import { startNode } from './fixture.ts';
import { startForward } from './kubectl-forward.ts';
import type { Forward } from './kubectl-forward.ts';

/** An API server and a node whose pod `web` is child processes and ports of this machine, for real kubectls. */
export async function startCluster(t: Test) {
  const stateDir = t.testdir();
  const log = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
  const server = await startApiServer({
    stateDir,
    cluster: testCluster,
    listen: [{ host: '127.0.0.1', port: 0 }],
    listenFds: [],
    advertised: { address: '127.0.0.1' },
    log,
  });
  t.teardown(() => server.close());
  const node = await startNode(t, `${stateDir}/pki`);
  const client = new ApiClient(server.loopback);
  t.teardown(() => client.close());
  await client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node1' } });
  const status = {
    addresses: [{ type: 'InternalIP', address: node.host }],
    daemonEndpoints: { kubeletEndpoint: { Port: node.port } },
  };
  await client.patchStatus(nodes, { name: 'node1' }, { status }, 'merge');
  const at = { name: 'web', namespace: 'default' };
  await client.create(pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: at,
    spec: { nodeName: 'node1', containers: [{ name: 'main', image: 'web' }] },
  });
  await client.patchStatus(pods, at, { status: { phase: 'Running' } }, 'merge');
  const access = ['--kubeconfig', server.adminKubeconfigPath, '--cache-dir', `${stateDir}/cache`];
  const run =
    (kubectl: string) =>
    (args: string[], options: { input?: Buffer } = {}) =>
      execa(kubectl, [...access, ...args], {
        ...options,
        encoding: 'buffer',
        stripFinalNewline: false,
        reject: false,
        timeout: 60_000,
        maxBuffer: 100e6,
      });
  const forward = (t: Test, kubectl: string, ...args: string[]): Promise<Forward> =>
    startForward(t, kubectl, [...access, 'port-forward', '--address', '127.0.0.1', ...args]);
  return { run, forward, node, kubeconfig: server.adminKubeconfigPath };
}
