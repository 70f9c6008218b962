import type { Test } from 'tap';

import { commandOf } from './subject.ts';
import type { Part, Question, Scene } from './scene.ts';

const everyKind = { nodePort: 30_012, balancer: true, external: true } as const;
const external = ['node:30012', 'web/balancer:80', 'web/external:80'];

async function hairpin(t: Test, scene: Scene): Promise<void> {
  await scene.put({ name: 'web', ...everyKind, to: ['pod1'] });
  await scene.ask(t, [
    ...['web:80', ...external].map((to) => ['pod1', to, 'pod1 sees bridge', 'a pod reaches itself'] as const),
    ['pod2', 'web:80', 'pod1 sees pod2', 'others keep their address'],
  ]);
  await scene.put({ name: 'web', ...everyKind, to: ['pod1'], spec: { externalTrafficPolicy: 'Local' } });
  await scene.ask(
    t,
    external.map((to) => ['pod1', to, 'pod1 sees bridge', 'under policy Local, too'] as const),
  );
  await scene.drop('web');
}

async function masqueraded(t: Test, scene: Scene): Promise<void> {
  const row = (from: 'outside' | 'node' | 'peer', gets: string, why: string): Question[] =>
    [...external, 'web:80']
      .map((to) => [from, to, gets, why] as const)
      .filter(([, to]) => from !== 'peer' || to === 'node:30012');
  await scene.put({ name: 'web', ...everyKind, to: ['far'] });
  await scene.ask(t, [
    ...row('outside', 'far sees node', "to another node's pod"),
    ...row('node', 'far sees node', 'a process of the node'),
  ]);
  await scene.put({ name: 'web', ...everyKind, to: ['pod1'] });
  await scene.ask(t, [
    ...row('outside', 'pod1 sees bridge', 'to a pod here'),
    ...row('peer', 'pod1 sees bridge', 'from another node'),
    ...row('node', 'pod1 sees bridge', 'a process of the node'),
  ]);
  await scene.drop('web');
}

async function podsKeepTheirs(t: Test, scene: Scene): Promise<void> {
  for (const pod of ['far', 'pod2'] as const) {
    await scene.put({ name: 'web', ...everyKind, to: [pod] });
    await scene.ask(
      t,
      ['web:80', ...external].map((to) => ['pod1', to, `${pod} sees pod1`, 'never masqueraded'] as const),
    );
  }
  await scene.drop('web');
}

async function policyLocal(t: Test, scene: Scene): Promise<void> {
  await scene.put({ name: 'web', ...everyKind, to: ['pod1'], spec: { externalTrafficPolicy: 'Local' } });
  await scene.ask(t, [
    ...external.map((to) => ['outside', to, 'pod1 sees outside', 'the server sees the client'] as const),
    ...external.map((to) => ['pod2', to, 'pod1 sees pod2', 'a pod, too'] as const),
    ['peer', 'node:30012', 'pod1 sees peer', 'and another node'],
  ]);
  await scene.drop('web');
}

/** Programs in a node's own network (hostNetwork pods, the API server) as endpoints. */
async function hostNetwork(t: Test, scene: Scene): Promise<void> {
  await scene.put({ name: 'web', nodePort: 30_013, to: ['peer'] });
  await scene.ask(t, [
    ['pod1', 'web:80', 'peer sees pod1', 'a pod to a program of another node: its own address'],
    ['node', 'web:80', 'peer sees node', 'a node to another'],
    ['outside', 'web:80', 'peer sees node', 'outside: answers must come back through this node'],
    ['outside', 'node:30013', 'peer sees node', 'at a NodePort likewise'],
  ]);
  await scene.put({ name: 'web', nodePort: 30_013, to: ['node'] });
  await scene.ask(t, [
    ['pod1', 'web:80', 'node sees pod1', 'a pod to a program of this node'],
    ['pod1', 'node:30013', 'node sees pod1', 'at a NodePort likewise'],
    ['node', 'web:80', 'node sees node', 'the node to itself'],
    ['outside', 'node:30013', 'node sees outside', 'outside: it has not left this node, no need'],
  ]);
  await scene.put({ name: 'web', nodePort: 30_013, to: ['node'], spec: { externalTrafficPolicy: 'Local' } });
  await scene.ask(t, [['outside', 'node:30013', 'node sees outside', 'policy Local']]);
  await scene.drop('web');
}

async function leaving(t: Test, scene: Scene): Promise<void> {
  await scene.ask(t, [
    ['pod1', 'outside:9090', 'outside sees node', 'to a host outside: masqueraded'],
    ['pod1', 'peer:8080', 'peer sees pod1', 'to another node: never'],
    ['pod1', 'far:8080', 'far sees pod1', "to another node's pod: never"],
    ['pod1', 'pod2:8080', 'pod2 sees pod1', 'to a pod here: never'],
    ['pod1', 'node:8080', 'node sees pod1', 'to the node: never'],
    ['pod1', 'bridge:30999', 'host sees pod1', "nor to the node's other addresses"],
  ]);
}

async function leavingWithTheirs(t: Test, scene: Scene): Promise<void> {
  const exclude = async (...ranges: readonly string[]): Promise<void> => {
    scene.nonMasqueradeCIDRs = ranges;
    await scene.backend.sync(scene.rules());
  };
  for (const ranges of [
    ['192.0.2.2/32', '2001:db8::2/128'],
    ['0.0.0.0/0', '::/0'],
  ]) {
    await exclude(...ranges);
    await scene.ask(t, [['pod1', 'outside:9090', 'outside sees pod1', `excluded: ${ranges.join(', ')}`]]);
    t.equal((await scene.backend.sync(scene.rules())).changes, 0, 'the kernel prints what it was told');
  }
  await exclude('192.0.2.128/25', '2001:db8::100/120');
  await scene.ask(t, [
    ['pod1', 'outside:9090', 'outside sees node', 'beside an excluded range: masqueraded'],
  ]);
  await exclude();
}

/** Two hosts behind one address must not choose one port for one peer: the kernel's search is not atomic. */
async function randomFully(t: Test, { network, subject, families }: Scene): Promise<void> {
  for (const family of families) {
    const rules = await network.run(...commandOf(subject.list[family]));
    const lines = rules
      .split('\n')
      .filter(
        (line) => /MASQUERADE|\bmasquerade\b/.test(line) && line.includes('-j ') === /MASQUERADE/.test(line),
      );
    t.ok(lines.length >= 2, `${family}: several rules masquerade`);
    for (const line of lines) t.match(line, /--random-fully|fully-random/, line.trim());
  }
}

async function forwarding(t: Test, scene: Scene): Promise<void> {
  const { network, subject, families } = scene;
  const policies = families
    .map((family) => subject.forwardPolicy?.[family])
    .filter((policy) => policy !== undefined);
  await scene.put(
    { name: 'web', nodePort: 30_014, to: ['far'] },
    { name: 'host', nodePort: 30_015, to: ['peer'] },
  );
  for (const policy of policies) await network.run(...commandOf([...policy, 'DROP']));
  await scene.ask(t, [
    ['pod1', 'far:8080', 'far sees pod1', 'pod to pod'],
    ['peer', 'pod1:8080', 'pod1 sees peer', 'a node to a pod'],
    ['pod1', 'outside:9090', 'outside sees node', 'a pod to outside'],
    ['outside', 'node:30014', 'far sees node', 'outside to a Service'],
    ['outside', 'node:30015', 'peer sees node', 'also where its endpoint is no pod'],
  ]);
  for (const policy of policies) await network.run(...commandOf([...policy, 'ACCEPT']));
  await scene.drop('web', 'host');
}

export const sourceParts: readonly Part[] = [
  { title: 'a pod reaches itself through its Service', run: hairpin },
  { title: 'who comes from elsewhere is masqueraded, at every kind of address', run: masqueraded },
  { title: 'a pod is seen with its own address behind a Service', run: podsKeepTheirs },
  { title: 'externalTrafficPolicy Local keeps the client’s address', run: policyLocal },
  { title: 'endpoints in the network of a node', run: hostNetwork },
  { title: 'pods leave the cluster with the address of the node', run: leaving },
  { title: 'pods keep their address where they are told to', run: leavingWithTheirs },
  { title: 'masquerading chooses ports at random', run: randomFully },
  { title: 'a host that forwards nothing forwards for pods and Services', run: forwarding },
];
