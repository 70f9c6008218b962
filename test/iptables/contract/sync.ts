import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';

import { addresses, familyNames } from '../network.ts';
import type { FamilyName, Place } from '../network.ts';
import type { Draft } from './objects.ts';
import { commandOf } from './subject.ts';
import type { Part, Scene } from './scene.ts';

const everyKind = { nodePort: 30_016, balancer: true, external: true } as const;

/** A changing Service under steady traffic: every single connection is answered. */
async function seamless(t: Test, scene: Scene): Promise<void> {
  const drafts: readonly Draft[] = [
    { name: 'web', ...everyKind, to: ['pod2'] },
    { name: 'web', ...everyKind, to: ['far'] },
    { name: 'web', ...everyKind, to: ['pod2', 'far'] },
    { name: 'web', ...everyKind, to: ['far', 'pod1'], spec: { externalTrafficPolicy: 'Local' } },
    { name: 'web', ...everyKind, to: ['pod1', 'pod2', 'far'], spec: { sessionAffinity: 'ClientIP' } },
  ];
  const [first] = drafts;
  if (first) await scene.put(first);
  let isChanging = true;
  const answers = new Map<string, number>();
  const steady = async (family: FamilyName, from: Place, to: string): Promise<void> => {
    const { address, port } = scene.locate(family, to);
    while (isChanging) {
      const answer = await scene.network.ask(from, 'tcp', address, port, { timeoutMs: 10_000 });
      const what = /^(pod1|pod2|far) /.test(answer) ? 'answered' : `${family} ${from} → ${to}: ${answer}`;
      answers.set(what, (answers.get(what) ?? 0) + 1);
      await sleep(5);
    }
  };
  const traffic = scene.families.flatMap((family) => [
    steady(family, 'pod1', 'web:80'),
    steady(family, 'node', 'web:80'),
    steady(family, 'outside', 'web/balancer:80'),
    steady(family, 'outside', 'node:30016'),
  ]);
  for (let round = 0; round < 2; round++) for (const draft of drafts) await scene.put(draft);
  isChanging = false;
  await Promise.all(traffic);
  t.strictSame(
    [...answers.keys()],
    ['answered'],
    `every connection (${String(answers.get('answered'))}) is answered`,
  );
  await scene.drop('web');
}

const works = (t: Test, scene: Scene, why: string): Promise<void> =>
  scene.ask(t, [['pod1', 'web:80', 'far sees pod1', why]]);

/** Services enough for trees to branch and for transactions of several messages. */
function many(): Draft[] {
  return Array.from({ length: 24 }, (_, n) => ({
    name: `many-${String(n)}`,
    to: ['pod1', 'pod2', 'far'] as const,
    nodePort: 31_000 + n,
    // The low bits of these are all the same: the tree has to look further up.
    spec: { externalIPs: [`198.51.${String(n)}.1`, `2001:db8:1::${(n + 1).toString(16)}:1`] },
  }));
}

async function idempotent(t: Test, scene: Scene): Promise<void> {
  const services = many();
  await scene.put({ name: 'web', to: ['far'] }, ...services);
  t.equal((await scene.backend.sync(scene.rules())).changes, 0, 'a second run changes nothing');
  await scene.restart();
  await works(t, scene, 'a new process takes over');
  t.equal((await scene.backend.sync(scene.rules())).changes, 0, 'and then has nothing to do');
  await scene.drop('web', ...services.map(({ name }) => name));
}

async function repairs(t: Test, scene: Scene): Promise<void> {
  const { families, network, subject } = scene;
  await scene.put({ name: 'web', to: ['far'] });
  await network.run(...commandOf(subject.foreign.add));
  for (const damage of families.flatMap((family) => subject.damages(family))) {
    await network.run(...commandOf(damage));
    const { changes } = await scene.backend.sync(scene.rules());
    t.ok(changes > 0, `damage is noticed: ${damage.join(' ')}`);
    await works(t, scene, 'and repaired');
    t.equal((await scene.backend.sync(scene.rules())).changes, 0, 'once');
  }
  await scene.drop('web');
}

async function isolates(t: Test, scene: Scene): Promise<void> {
  const bad: Draft = { name: 'bad', slices: [{ port: 70_000, endpoints: ['pod2'] }] };
  const drafts: Draft[] = [bad, { name: 'good', to: ['pod2'] }, { name: 'web', to: ['far'] }];
  for (const draft of drafts) {
    const compiled = scene.compile(draft);
    if (compiled) scene.services.set(compiled.key, compiled);
  }
  const { refused } = await scene.backend.sync(scene.rules(), new Set(scene.services.keys()));
  t.strictSame([...refused.keys()], ['default/bad'], 'the Service that the kernel refuses is named');
  await scene.ask(t, [['pod1', 'good:80', 'pod2 sees pod1', 'the one beside it works']]);
  await works(t, scene, 'and so do the others');
  const again = await scene.backend.sync(scene.rules());
  t.strictSame([...again.refused.keys()], ['default/bad'], 'it is tried again with every full sync');
  await scene.put({ ...bad, slices: [{ endpoints: ['pod2'] }] });
  await scene.ask(t, [['pod1', 'bad:80', 'pod2 sees pod1', 'and programmed when it has been mended']]);
  await keepsOld(t, scene, bad);
  await scene.drop('bad', 'good', 'web');
}

/** What the kernel refuses leaves standing what was there before. */
async function keepsOld(t: Test, scene: Scene, bad: Draft): Promise<void> {
  await t.rejects(scene.put(bad), { code: 'REFUSED' }, 'a change that the kernel refuses');
  await scene.ask(t, [['pod1', 'bad:80', 'pod2 sees pod1', 'leaves the Service as it was']]);
}

/** Without Services and without a family, none of its rules; with it again, all of them. */
async function lackingFamily(t: Test, scene: Scene): Promise<void> {
  const { network, subject } = scene;
  const held = async (family: FamilyName): Promise<string> => network.run(...commandOf(subject.list[family]));
  const chosen = scene.families;
  for (const family of familyNames) {
    scene.families = [family];
    await scene.put({ name: 'web', to: ['far'] });
    await works(t, scene, `a cluster of ${family} only`);
    const [other = family] = familyNames.filter((each) => each !== family);
    const { pod1, dns } = addresses[other];
    const rules = await held(other);
    const prefix = pod1.slice(0, pod1.lastIndexOf(other === 'ipv4' ? '.' : ':'));
    t.notOk(rules.includes(prefix) || rules.includes(dns), `has no address of ${other} in its rules`);
    await scene.drop('web');
  }
  scene.families = chosen;
  await scene.backend.sync(scene.rules());
}

/** Last of all: afterwards there are no rules. */
async function removal(t: Test, scene: Scene): Promise<void> {
  const { network, subject } = scene;
  await scene.put({
    name: 'web',
    nodePort: 30_016,
    to: ['pod1', 'far'],
    spec: { sessionAffinity: 'ClientIP' },
  });
  const others = async (why: string): Promise<void> => {
    t.match(await network.run(...commandOf(subject.foreign.list)), subject.foreign.expect, why);
  };
  await network.run(...commandOf(subject.foreign.add));
  await others("others' rules stand");
  t.equal(await scene.backend.remove(), true, 'our rules are removed');
  await others("others' rules still stand");
  for (const family of familyNames) {
    const left = await network.run(...commandOf(subject.list[family]));
    t.notMatch(left.toLowerCase(), /weft/, `and no trace of ours in ${family}`);
  }
  t.notMatch((await network.exec('node', 'nft', 'list', 'ruleset')).toLowerCase(), /weft/, 'nor anywhere');
  t.equal(await scene.backend.remove(), false, 'a second removal finds nothing');
  await scene.backend.sync(scene.rules());
  await scene.drop('web');
}

export const syncParts: readonly Part[] = [
  { title: 'a changing Service answers every connection', run: seamless },
  { title: 'a second run has nothing to do, nor has a new process', run: idempotent },
  { title: 'damage from outside is noticed and repaired', run: repairs },
  { title: 'a Service that the kernel refuses harms no other', run: isolates },
  { title: 'a family that the cluster lacks has no rules', run: lackingFamily },
  { title: 'removal takes every trace of ours and nothing else', run: removal },
];
