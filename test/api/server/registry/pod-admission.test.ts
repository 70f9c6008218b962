import t from 'tap';
import { pods } from '../../../../api/client/resources.ts';
import type { PodSpec } from '../../../../api/kinds/pod-spec.ts';
import { admitPodSpec } from '../../../../api/server/registry/pod-admission.ts';
import { startServer } from '../fixture.ts';
import { pod } from '../objects.ts';

const troubles = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];
const added = (key: string | undefined) => ({
  key,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds: 300,
});

function admit(spec: Partial<PodSpec>, old?: Partial<PodSpec>): PodSpec {
  const admitted: PodSpec = { containers: [], ...spec };
  admitPodSpec(admitted, old && { containers: [], ...old });
  return admitted;
}

t.test('a pod has a priority', (t) => {
  t.match(admit({}), { priority: 0, preemptionPolicy: 'PreemptLowerPriority' });
  t.equal(admit({ priorityClassName: 'system-node-critical' }).priority, 2_000_001_000);
  t.equal(admit({}, { priority: 7 }).priority, 7, 'which stays when its manifest comes again');
  t.end();
});

t.test('a pod stays five minutes on a node in trouble, or as it says itself', (t) => {
  t.same(admit({}).tolerations, troubles.map(added));
  const own = { key: troubles[0] ?? '', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 };
  t.same(admit({ tolerations: [own] }).tolerations, [own, added(troubles[1])]);
  const all = { operator: 'Exists' };
  t.same(admit({ tolerations: [all] }).tolerations, [all]);
  const other = { key: troubles[0] ?? '', operator: 'Exists', effect: 'NoSchedule' };
  t.same(admit({ tolerations: [other] }).tolerations, [other, ...troubles.map(added)]);
  t.end();
});

t.test('a stored pod has them, and a manifest without them changes nothing', async (t) => {
  const { client } = await startServer(t);
  const created = await client.create(pods, pod('web'));
  t.match(created.spec, { priority: 0, tolerations: troubles.map(added) });
  const { priority, preemptionPolicy, tolerations, ...spec } = created.spec;
  t.ok(tolerations && preemptionPolicy && priority === 0);
  const replaced = await client.update(pods, { ...created, spec });
  t.equal(replaced.metadata.resourceVersion, created.metadata.resourceVersion);
});
