import pino from 'pino';
import type { Test } from 'tap';
import { NodeServer } from '../../../agent/streams/node-server.ts';
import type { NodeServerTls } from '../../../agent/streams/node-server.ts';
import type { AgentConfig } from '../../../agent/config/config.ts';
import { Authority } from '../../../api/server/authority.ts';
import type { KeyPair } from '../../../api/server/authority.ts';
import { ChildProcesses } from './child-processes.ts';

export interface NodeFixture {
  readonly server: NodeServer;
  readonly processes: ChildProcesses;
  readonly host: string;
  readonly port: number;
  readonly ca: string;
  /** A certificate the node lets in. */
  readonly master: KeyPair;
  readonly authority: Authority;
}

const config = { nodeIPs: ['127.0.0.1'], port: 0 } as unknown as AgentConfig;

/** A node's server on a free port of loopback; `directory` holds, or gets, the authority. */
export async function startNode(t: Test, directory: string): Promise<NodeFixture> {
  const authority = await Authority.open(directory);
  const own = await authority.issue({
    user: 'system:node:node1',
    groups: ['system:nodes'],
    names: ['127.0.0.1'],
  });
  const master = await authority.issue({ user: 'weft-server', groups: ['system:masters'], names: [] });
  const tls: NodeServerTls = { cert: own.certificate, key: own.key, ca: authority.certificate };
  const processes = new ChildProcesses();
  const log = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
  const server = new NodeServer({ config, log }, processes, tls);
  await server.start();
  t.teardown(() => server.stop());
  const [address] = server.addresses();
  if (!address) throw new Error('it listens nowhere');
  return {
    server,
    processes,
    host: address.host,
    port: address.port,
    ca: authority.certificate,
    master,
    authority,
  };
}
