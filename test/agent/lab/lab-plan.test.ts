import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { loadConfig } from '../../../agent/config/load.ts';
import type { Config } from '../../../agent/config/config.ts';
import { hostEnvironment, renderAgentConfig, renderServerConfig } from '../../../agent/lab/lab-config.ts';
import { isLabNamespace } from '../../../agent/lab/lab-network.ts';
import { listHosts, planLab } from '../../../agent/lab/lab-plan.ts';
import { mergeLabSettings } from '../../../agent/lab/lab-settings.ts';

const plan = planLab({
  name: 'x',
  nodes: 2,
  backend: 'nftables',
  networkMode: 'direct',
  podLink: 'routed',
  apiPort: 16443,
});
const directory = mkdtempSync(join(tmpdir(), 'weft-lab-plan-'));
t.teardown(() => rmSync(directory, { recursive: true }));

function read(text: string): Config {
  const file = join(directory, 'weft.yaml');
  writeFileSync(file, text);
  return loadConfig({
    file,
    environment: {},
    flags: {},
    detectAddresses: () => [],
  });
}

t.test('names, addresses and directories follow from the settings', (t) => {
  t.same(
    listHosts(plan).map(({ name, namespace, addresses }) => [name, namespace, ...addresses]),
    [
      ['node1', 'weft-x-node1', '172.30.0.11', 'fd00:172:30::11'],
      ['node2', 'weft-x-node2', '172.30.0.12', 'fd00:172:30::12'],
      ['outside', 'weft-x-outside', '172.30.0.2', 'fd00:172:30::2'],
    ],
  );
  t.equal(plan.nodes[1]?.stateDir, '/var/lib/weft/labs/x/node2');
  t.equal(plan.nodes[1]?.runDir, '/run/weft/labs/x/node2');
  t.end();
});

t.test('the agents read from their files what the plan says', (t) => {
  const [, node2] = plan.nodes;
  if (!node2) throw new Error('two nodes');
  const { agent, join: joining } = read(renderAgentConfig(plan, node2));
  t.match(agent, {
    nodeName: 'node2',
    server: 'https://172.30.0.11:6443',
    nodeIPs: ['172.30.0.12', 'fd00:172:30::12'],
    backend: 'nftables',
    networkMode: 'direct',
    podLink: 'routed',
    upstreams: ['172.30.0.2', 'fd00:172:30::2'],
    externalIPs: ['172.30.0.12', 'fd00:172:30::12'],
    stateDir: node2.stateDir,
    runDir: node2.runDir,
  });
  t.equal(joining.tokenFile, '/var/lib/weft/labs/x/server/token');
  t.end();
});

t.test('so does the server', (t) => {
  const { server } = read(renderServerConfig(plan));
  t.equal(server.stateDir, '/var/lib/weft/labs/x/server');
  t.equal(server.advertiseAddress, '172.30.0.11');
  t.same(server.listen, [
    { host: '172.30.0.11', port: 6443 },
    { host: 'fd00:172:30::11', port: 6443 },
  ]);
  t.ok(server.names.includes('127.0.0.1'), 'kubectl comes by loopback');
  t.same(server.cluster.loadBalancerPools, ['172.30.0.224/28', 'fd00:172:30::1:0/124']);
  t.end();
});

t.test("nothing of the caller's weft settings reaches a host", (t) => {
  process.env['WEFT_ZONE'] = 'leaks.example';
  t.teardown(() => delete process.env['WEFT_ZONE']);
  const environment = hostEnvironment(plan, plan.outside);
  t.notOk('WEFT_ZONE' in environment);
  t.notOk('WEFT_CONFIG' in environment, 'the outside host has no agent');
  t.equal(environment['XTABLES_LOCKFILE'], '/run/weft/labs/x/outside/xtables.lock');
  t.equal(environment['PATH'], process.env['PATH']);
  t.end();
});

t.test('wishes win over what is stored, which wins over defaults', (t) => {
  const stored = {
    name: 'x',
    nodes: 5,
    backend: 'nftables',
    networkMode: 'auto',
    podLink: 'routed',
    apiPort: 7000,
  } as const;
  t.same(mergeLabSettings('x', undefined, {}), {
    name: 'x',
    nodes: 3,
    backend: 'iptables',
    networkMode: 'auto',
    podLink: 'bridge',
    apiPort: 6443,
  });
  t.same(mergeLabSettings('x', stored, { apiPort: 7001 }), { ...stored, apiPort: 7001 });
  t.end();
});

t.test('a lab knows its own namespaces from those of others', (t) => {
  for (const name of ['switch', 'outside', 'node1', 'node12'])
    t.ok(isLabNamespace('x', `weft-x-${name}`), name);
  for (const name of ['weft-x', 'weft-x-node', 'weft-x-y-node1', 'weft-y-node1', 'node1']) {
    t.notOk(isLabNamespace('x', name), name);
  }
  t.end();
});
