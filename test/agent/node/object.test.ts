import t from 'tap';
import type { Readiness } from '../../../agent/node/object.ts';
import { parseOsName } from '../../../agent/node/facts.ts';
import type { NodeFacts } from '../../../agent/node/facts.ts';
import { isSameStatus, renderNode, renderNodeStatus } from '../../../agent/node/object.ts';
import { exampleConfig } from '../example-config.ts';

const facts: NodeFacts = {
  machineID: 'm',
  systemUUID: 'u',
  bootID: 'b',
  kernelVersion: '6.1.0',
  osImage: 'Debian GNU/Linux 12 (bookworm)',
  runtimeVersion: 'runc://1.1.5',
  architecture: 'amd64',
  cpus: 2,
  memoryBytes: 2048 * 1024,
  storageBytes: 4096 * 1024,
};

const config = exampleConfig('/var/lib/weft', {
  nodeIPs: ['192.0.2.1', '2001:db8::1'],
  externalIPs: ['198.51.100.1'],
  nodeLabels: { disk: 'ssd' },
});

const ready = { ready: true, message: '' };
const noon = new Date('2026-01-01T12:00:00.500Z');
const later = new Date('2026-01-01T12:05:00.000Z');

t.test('a Node carries the labels Kubernetes gives it and our own', (t) => {
  t.same(renderNode(config, facts).metadata.labels, {
    'kubernetes.io/hostname': 'node1',
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': 'amd64',
    disk: 'ssd',
  });
  t.end();
});

t.test('a status says where the node is and what it has', (t) => {
  const status = renderNodeStatus(config, facts, ready, [], noon);
  t.same(status.addresses, [
    { type: 'InternalIP', address: '192.0.2.1' },
    { type: 'InternalIP', address: '2001:db8::1' },
    { type: 'ExternalIP', address: '198.51.100.1' },
    { type: 'Hostname', address: 'node1' },
  ]);
  t.same(status.capacity, { cpu: '2', memory: '2048Ki', 'ephemeral-storage': '4096Ki', pods: '110' });
  t.equal(status.daemonEndpoints?.kubeletEndpoint?.Port, 10250);
  t.match(status.nodeInfo, { kubeletVersion: /^v1\.32\.0\+weft\d/, containerRuntimeVersion: 'runc://1.1.5' });
  t.end();
});

t.test('a condition keeps the time it changed, and takes a new one only with its state', (t) => {
  const first = renderNodeStatus(config, facts, ready, [], noon).conditions ?? [];
  const still = renderNodeStatus(config, facts, ready, first, later).conditions ?? [];
  const broken = { ready: false, message: 'names: not synced' };
  const changed = renderNodeStatus(config, facts, broken, still, later).conditions ?? [];
  const times = (conditions: typeof first): (string | undefined)[] => {
    const ready = conditions.find(({ type }) => type === 'Ready');
    return [ready?.status, ready?.lastTransitionTime, ready?.lastHeartbeatTime, ready?.message];
  };
  const well = 'agent is posting ready status';
  t.same(times(first), ['True', '2026-01-01T12:00:00Z', '2026-01-01T12:00:00Z', well]);
  t.same(times(still), ['True', '2026-01-01T12:00:00Z', '2026-01-01T12:05:00Z', well]);
  t.same(times(changed), ['False', '2026-01-01T12:05:00Z', '2026-01-01T12:05:00Z', 'names: not synced']);
  t.end();
});

t.test('only what a status says counts as a change, not when or in which order', (t) => {
  const status = renderNodeStatus(config, facts, ready, [], noon);
  const again = renderNodeStatus(config, facts, ready, status.conditions ?? [], later);
  const shuffled = { ...again, conditions: again.conditions?.toReversed() ?? [] };
  t.ok(isSameStatus(status, shuffled));
  t.notOk(isSameStatus(status, renderNodeStatus({ ...config, port: 1 }, facts, ready, [], noon)));
  t.notOk(isSameStatus(status, renderNodeStatus(config, facts, { ready: false, message: 'x' }, [], noon)));
  t.notOk(isSameStatus({}, status));
  t.end();
});

t.test('the name of the system comes from os-release', (t) => {
  t.equal(
    parseOsName('NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'),
    'Debian GNU/Linux 12 (bookworm)',
  );
  t.equal(parseOsName('PRETTY_NAME=Alpine\n'), 'Alpine');
  t.equal(parseOsName(''), 'Linux');
  t.end();
});

t.test('a node says whether pods have a network', (t) => {
  const conditionOf = (readiness: Readiness) =>
    renderNodeStatus(config, facts, readiness, [], new Date(0)).conditions?.find(
      ({ type }) => type === 'NetworkUnavailable',
    );
  t.match(conditionOf({ ready: true, message: '' }), { status: 'False', reason: 'PodNetworkIsUp' });
  const trouble = "podCIDR 10.244.2.0/24 of node node2 is node node0's; delete one of them";
  const cut = { ready: false, message: `network: ${trouble}`, networkTrouble: trouble };
  t.match(conditionOf(cut), { status: 'True', reason: 'PodNetworkIsDown', message: trouble });
  t.end();
});
