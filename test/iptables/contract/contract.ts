import { existsSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

import { addresses, familyNames, TestNetwork } from '../network.ts';
import { sections } from './lines.ts';
import { servedPort } from './objects.ts';
import { Scene, stacks } from './scene.ts';
import type { Stack } from './scene.ts';
import type { Subject } from './subject.ts';

/**
 * Runs the whole contract over one backend, with real packets in namespaces of its own: every part in an IPv4, an IPv6
 * and a dual-stack cluster. What it is to show stands in lines.ts.
 */
export async function runContract(t: Test, subject: Subject): Promise<void> {
  const lockFile = join(tmpdir(), `weft-test-xtables-${String(process.pid)}.lock`);
  process.env['XTABLES_LOCKFILE'] = lockFile;
  t.teardown(() => rmSync(lockFile, { force: true }));
  const network = await TestNetwork.create(subject.name);
  t.teardown(() => network[Symbol.asyncDispose]());
  await startServers(network);
  const scene = new Scene(network, subject);
  await t.test('every line has its tests, and every test its line', isComplete);
  for (const stack of Object.keys(stacks) as Stack[]) {
    await t.test(stack, async (t) => {
      await scene.use(stack);
      for (const [section, { parts }] of Object.entries(sections)) {
        await t.test(section, async (t) => {
          for (const part of parts) {
            await t.test(part.title, (t) => part.run(t, scene));
            t.strictSame([...scene.services.keys()], [], `${part.title}: leaves no Service behind`);
          }
        });
      }
    });
  }
}

/** Every line is shown by parts that there are, and every part shows a line. */
function isComplete(t: Test): void {
  for (const [section, { parts, lines }] of Object.entries(sections)) {
    const named = [...new Set(lines.flatMap(({ shownBy }) => shownBy))].sort();
    t.strictSame(named, parts.map(({ title }) => title).sort(), section);
    for (const { must, shownBy, elsewhere = [] } of lines) {
      const missing = elsewhere.filter((file) => !existsSync(join(import.meta.dirname, '../../..', file)));
      t.strictSame(missing, [], `${must}: its test files are there`);
      t.ok(shownBy.length + elsewhere.length > 0, must);
    }
  }
  t.end();
}

/** All answer with who they are and whom they see. */
async function startServers(network: TestNetwork): Promise<void> {
  for (const family of familyNames) {
    const { pod1, pod2, far, dns, node, neighbor, peer, outside } = addresses[family];
    for (const protocol of ['tcp', 'udp'] as const) {
      await network.serve('pod1', 'pod1', protocol, pod1, servedPort);
      await network.serve('pod2', 'pod2', protocol, pod2, servedPort);
      await network.serve('pod2', 'pod2', protocol, pod2, 9081);
      await network.serve('peer', 'far', protocol, far, servedPort);
      await network.serve('peer', 'peer', protocol, peer, servedPort);
      await network.serve('node', 'node', protocol, node, servedPort);
      await network.serve('node', 'dns', protocol, dns, 53);
      await network.serve('peer', 'neighbor', protocol, neighbor, 53);
      await network.serve('outside', 'outside', protocol, outside, 9090);
    }
  }
  // On every address of the node, of both families.
  await network.serve('node', 'host', 'tcp', '::', 30_999);
  await network.serve('node', 'host', 'udp', '::', 30_999);
}
