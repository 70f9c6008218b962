import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import t from 'tap';
import type { Test } from 'tap';
import { AgentCaches } from '../../../agent/caches.ts';
import { NodeRegistration } from '../../../agent/node/status.ts';
import type { AgentContext, Health } from '../../../agent/subsystem.ts';
import { leases, nodes } from '../../../api/client/resources.ts';
import type { Node, NodeCondition } from '../../../api/kinds/node.ts';
import { silent, startTestApi } from '../api-fixture.ts';
import type { TestApi } from '../api-fixture.ts';

/** A part of the agent whose health the test decides. */
class Part {
  readonly name = 'network';
  health_: Health = { ready: false, reason: 'no podCIDR yet' };

  health(): Health {
    return this.health_;
  }
}

async function contextOf(t: Test, { admin, config }: TestApi): Promise<AgentContext> {
  mkdirSync(config.stateDir, { recursive: true });
  const { nodeName, stateDir } = config;
  const caches = new AgentCaches({ client: admin, server: config.server, nodeName, stateDir, log: silent });
  caches.start();
  // What a failed assertion leaves running would keep the file from ending.
  t.teardown(() => caches.stop());
  await caches.caches.nodes.whenSynced();
  return {
    nodeName: config.nodeName,
    config,
    cluster: undefined as unknown as AgentContext['cluster'],
    client: admin,
    log: silent,
    metrics: new Registry(),
    caches: caches.caches,
  };
}

async function register(t: Test, context: AgentContext, part: Part): Promise<NodeRegistration> {
  const registration = new NodeRegistration(context, () => [part]);
  await registration.start();
  t.teardown(() => registration.stop());
  return registration;
}

function readyOf(node: Node): NodeCondition | undefined {
  return node.status?.conditions?.find(({ type }) => type === 'Ready');
}

async function eventually(test: TestApi, holds: (node: Node) => boolean): Promise<Node> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    const node = await test.admin.get(nodes, { name: 'node1' }).catch(() => undefined);
    if (node && holds(node)) return node;
    await sleep(25);
  }
  throw new Error('it did not come true');
}

t.test('the node registers, becomes Ready with its parts, and renews its lease', async (t) => {
  const test = await startTestApi(t);
  const context = await contextOf(t, test);
  const part = new Part();
  const registration = await register(t, context, part);
  const registered = await eventually(test, (node) => readyOf(node)?.status === 'False');
  t.equal(readyOf(registered)?.message, 'network: no podCIDR yet');
  t.equal(registered.metadata.labels?.['kubernetes.io/hostname'], 'node1');
  t.equal(registered.metadata.annotations?.['weft/vxlan'], '{"vni":117,"port":8472}');
  part.health_ = { ready: true };
  await eventually(test, (node) => readyOf(node)?.status === 'True');
  const lease = await test.admin.get(leases, { namespace: 'kube-node-lease', name: 'node1' });
  t.match(lease.spec, { holderIdentity: 'node1', leaseDurationSeconds: 40, renewTime: /\.\d{6}Z$/ });
  t.same(registration.health(), { ready: true });
});

t.test('a restarted agent leaves its Ready node alone until it knows better', async (t) => {
  const test = await startTestApi(t);
  const context = await contextOf(t, test);
  const before = new Part();
  before.health_ = { ready: true };
  const first = await register(t, context, before);
  const ready = await eventually(test, (node) => readyOf(node)?.status === 'True');
  await first.stop();

  const part = new Part();
  await register(t, context, part);
  // Several polls: nothing may be posted meanwhile. Over a second, so that the heartbeat after it is another one.
  await sleep(1100);
  const during = await test.admin.get(nodes, { name: 'node1' });
  t.equal(during.metadata.resourceVersion, ready.metadata.resourceVersion, 'its pods stay in their Services');
  part.health_ = { ready: true };
  await eventually(test, (node) => node.metadata.resourceVersion !== ready.metadata.resourceVersion);
  part.health_ = { ready: false, reason: 'broken' };
  const broken = await eventually(test, (node) => readyOf(node)?.status === 'False');
  t.equal(readyOf(broken)?.message, 'network: broken', 'what breaks later is told at once');
});

t.test('a Node that somebody deleted comes back', async (t) => {
  const test = await startTestApi(t);
  const context = await contextOf(t, test);
  const part = new Part();
  part.health_ = { ready: true };
  await register(t, context, part);
  const node = await eventually(test, (each) => readyOf(each)?.status === 'True');
  await test.admin.delete(nodes, { name: 'node1' });
  const again = await eventually(test, (each) => each.metadata.uid !== node.metadata.uid);
  t.equal(again.metadata.name, 'node1');
  await eventually(test, (each) => readyOf(each)?.status === 'True');
});
