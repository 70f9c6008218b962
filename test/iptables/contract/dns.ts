import type { Test } from 'tap';

import { listConntrack } from '../../conntrack.ts';
import { addresses } from '../network.ts';
import type { Part, Scene } from './scene.ts';

async function dnsAddress(t: Test, scene: Scene): Promise<void> {
  await scene.ask(t, [
    ['pod1', 'dns:53', 'dns sees pod1', 'from a pod'],
    ['node', 'dns:53', 'dns sees dns', 'from the node'],
  ]);
  await scene.ask(t, [['pod1', 'dns:30999', 'refused', "the node's other listeners"]]);
}

async function untracked(t: Test, scene: Scene): Promise<void> {
  for (const family of scene.families) {
    const { far, dns } = addresses[family];
    for (const protocol of ['tcp', 'udp'] as const) {
      const isTracked = (address: string): boolean =>
        scene.network
          .onNode(() => listConntrack(protocol))
          .some(({ origDst, replySrc }) => origDst === address || replySrc === address);
      await scene.ask(
        t,
        [
          ['pod1', 'dns:53', 'dns sees pod1', 'answered'],
          ['node', 'dns:53', 'dns sees dns', 'answered'],
          ['pod1', 'far:8080', 'far sees pod1', 'answered'],
        ],
        [protocol],
      );
      t.equal(isTracked(dns), false, `${family} ${protocol}: neither query nor answer`);
      t.equal(isTracked(far), true, `${family} ${protocol}: as everything else is`);
    }
  }
}

export const dnsParts: readonly Part[] = [
  { title: 'the DNS address serves port 53 only', run: dnsAddress },
  { title: 'queries to the DNS address are not tracked', run: untracked },
];
