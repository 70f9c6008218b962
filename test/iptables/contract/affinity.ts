import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';

import type { FamilyName, Place } from '../network.ts';
import type { Draft, Pod } from './objects.ts';
import type { Part, Scene } from './scene.ts';

const all: readonly Pod[] = ['pod1', 'pod2', 'far'];

/** The one endpoint that answers this client, by family; a mistake when several do. */
async function chosen(
  t: Test,
  scene: Scene,
  from: Place,
  to: string,
  why: string,
): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const protocol of ['tcp', 'udp'] as const) {
    for (const { family, answers } of await scene.collect(from, to, 8, protocol)) {
      const [first = '', ...others] = [...new Set(answers)];
      t.strictSame(others, [], `${family} ${protocol} ${from} → ${to}: ${why}`);
      found[`${family} ${protocol}`] = first.split(' ')[0] ?? '';
    }
  }
  return found;
}

async function sticks(t: Test, scene: Scene): Promise<void> {
  const put = (...to: readonly Pod[]) =>
    scene.put({
      name: 'web',
      to,
      nodePort: 30_011,
      balancer: true,
      external: true,
      spec: { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } } },
    });
  await put('pod2', 'far');
  for (const to of ['web/external:80', 'web/balancer:80']) {
    await chosen(t, scene, 'outside', to, 'eight connections, one endpoint');
  }
  const inside = await chosen(t, scene, 'pod1', 'web:80', 'eight connections, one endpoint');
  const outside = await chosen(t, scene, 'outside', 'node:30011', 'at a NodePort as well');
  const stays = async (why: string): Promise<void> => {
    t.strictSame(await chosen(t, scene, 'pod1', 'web:80', why), inside, `the same ${why}`);
    t.strictSame(await chosen(t, scene, 'outside', 'node:30011', why), outside, `the same ${why}`);
  };
  await scene.backend.sync(scene.rules());
  await stays('behind a full sync');
  await scene.restart();
  await stays('behind a restart of the agent');
  await put(...all);
  await stays('when another endpoint joins');
  await scene.drop('web');
}

async function releases(t: Test, scene: Scene): Promise<void> {
  const put = (...to: readonly Pod[]) =>
    scene.put({ name: 'web', to, spec: { sessionAffinity: 'ClientIP' } });
  await put(...all);
  const before = await chosen(t, scene, 'node', 'web:80', 'one endpoint');
  for (const gone of new Set(Object.values(before))) {
    const left = all.filter((pod) => pod !== gone);
    await put(...left);
    const moved = await chosen(t, scene, 'node', 'web:80', `${gone} went: another one, and that one only`);
    t.notOk(Object.values(moved).includes(gone), `nobody is sent to ${gone}`);
    await put(...all);
    const after = await chosen(t, scene, 'node', 'web:80', 'one endpoint');
    t.strictSame(after, moved, `${gone} is back: its former clients have found another`);
  }
  await scene.drop('web');
}

const timeoutSeconds = 1;
/** So many that they do not all choose the same again by chance: 3^-24. */
const portNumbers = Array.from({ length: 24 }, (_, index) => 8100 + index);

async function expires(t: Test, scene: Scene): Promise<void> {
  const ports: Draft['ports'] = portNumbers.map((port) => {
    return { name: `p${String(port)}`, protocol: 'TCP', port, targetPort: 8080 };
  });
  const sessionAffinityConfig = { clientIP: { timeoutSeconds } };
  await scene.put({
    name: 'web',
    to: all,
    ports,
    spec: { sessionAffinity: 'ClientIP', sessionAffinityConfig },
  });
  const choices = async (family: FamilyName): Promise<string> => {
    const answers = portNumbers.map((port) => {
      const to = scene.locate(family, `web:${String(port)}`);
      return scene.network.ask('pod1', 'tcp', to.address, to.port, { timeoutMs: 10_000 });
    });
    return (await Promise.all(answers)).map((answer) => answer.split(' ')[0]).join(' ');
  };
  const run = async (family: FamilyName): Promise<void> => {
    const first = await keptAlive(() => choices(family));
    t.equal(
      first.last,
      first.first,
      `${family}: used every ${String(timeoutSeconds * 0.6)} s, kept beyond the timeout`,
    );
    await sleep(timeoutSeconds * 1100);
    t.not(await choices(family), first.first, `${family}: idle for the timeout, chosen anew`);
  };
  await Promise.all(scene.families.map(run));
  await scene.drop('web');
}

/** Asks in pauses shorter than the timeout for longer than it; again, where the machine was too slow for that. */
async function keptAlive(choices: () => Promise<string>): Promise<{ first: string; last: string }> {
  for (;;) {
    const first = await choices();
    let last = first;
    let isLate = false;
    for (let round = 0; round < 3; round++) {
      const start = Date.now();
      await sleep(timeoutSeconds * 600);
      last = await choices();
      isLate ||= Date.now() - start >= timeoutSeconds * 1000;
    }
    if (!isLate) return { first, last };
  }
}

export const affinityParts: readonly Part[] = [
  { title: 'sessionAffinity ClientIP, kept over full syncs and restarts', run: sticks },
  { title: 'sessionAffinity: an endpoint that goes releases its clients', run: releases },
  { title: 'sessionAffinity: until idle for the timeout', run: expires },
];
