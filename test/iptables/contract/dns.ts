import { once } from 'node:events';
import type { Test } from 'tap';

import { deleteConntrack, listConntrack } from '../../conntrack.ts';
import { addresses } from '../network.ts';
import type { FamilyName } from '../network.ts';
import { commandOf } from './subject.ts';
import type { Part, Question, Scene, Transport } from './scene.ts';

const protocols: readonly Transport[] = ['tcp', 'udp'];

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
    for (const protocol of protocols) {
      const failed = await insertFailures(scene);
      await scene.ask(
        t,
        [
          ['pod1', 'dns:53', 'dns sees pod1', 'answered'],
          ['node', 'dns:53', 'dns sees dns', 'answered'],
          ['pod1', 'far:8080', 'far sees pod1', 'answered'],
        ],
        [protocol],
      );
      t.equal(isTracked(scene, protocol, dns), false, `${family} ${protocol}: neither query nor answer`);
      t.equal(isTracked(scene, protocol, far), true, `${family} ${protocol}: as everything else is`);
      t.equal(await insertFailures(scene), failed, `${family} ${protocol}: insert_failed stays`);
    }
  }
}

function isTracked(scene: Scene, protocol: Transport, address: string): boolean {
  return scene.network
    .onNode(() => listConntrack(protocol))
    .some(({ origDst, replySrc }) => origDst === address || replySrc === address);
}

/** What two queries at one moment can fail with where they are tracked; a line of hexadecimal columns per processor. */
async function insertFailures({ network }: Scene): Promise<number> {
  const table = await network.exec('node', 'cat', '/proc/net/stat/nf_conntrack');
  const [names = [], ...rows] = table.split('\n').map((line) => line.trim().split(/\s+/));
  const column = names.indexOf('insert_failed');
  return rows.reduce((sum, row) => sum + Number.parseInt(row[column] ?? '', 16), 0);
}

async function elsewhere(t: Test, scene: Scene): Promise<void> {
  const here: Question = ['pod1', 'dns:53', 'dns sees pod1', 'the own server'];
  const there: Question = ['pod1', 'dns:53', 'neighbor sees pod1', "the other node's"];
  const nobody: Question = ['pod1', 'dns:53', 'refused', 'nobody, and at once'];
  await scene.makePeer(true);
  await scene.ask(t, [here]);
  for (const protocol of protocols) {
    for (const family of scene.families) {
      t.equal(isTracked(scene, protocol, addresses[family].dns), false, `${family} ${protocol}: not tracked`);
    }
  }
  await close(scene);
  await scene.ask(t, [there]);
  // Told by the pod's queries that nobody is here.
  await scene.ask(t, [
    ['node', 'dns:53', 'neighbor sees bridge', 'also for the node itself, in its pod range'],
  ]);
  await samePort(t, scene, 'neighbor sees pod1');
  await scene.makePeer(false);
  await scene.ask(t, [nobody, ['node', 'dns:53', 'refused', 'nobody for the node either']]);
  await samePort(t, scene, 'refused');
  await scene.makePeer(true);
  await samePort(t, scene, 'neighbor sees pod1');
  await listen(scene);
  await samePort(t, scene, 'dns sees pod1');
  await scene.ask(t, [here]);
  if (scene.families.length > 1) await returnsForNode(t, scene);
  await scene.makePeer(false);
  await forget(scene);
}

const clientPort = 5353;

/** A client that goes on asking from one port: what is known of its flow must not hold it where it was. */
async function samePort(t: Test, scene: Scene, gets: string): Promise<void> {
  for (const family of scene.families) {
    const answer = await scene.network.ask('pod1', 'udp', addresses[family].dns, 53, { from: clientPort });
    t.equal(scene.describe(family, answer), gets, `${family}: from the same port`);
  }
}

/** The node's own queries are led away for some seconds after the last that found nobody. */
async function returnsForNode(t: Test, scene: Scene): Promise<void> {
  for (const family of scene.families) {
    let got = '';
    while (got !== 'dns sees dns') {
      const answer = await scene.network.ask('node', 'udp', addresses[family].dns, 53);
      got = scene.describe(family, answer);
      if (got !== 'dns sees dns' && got !== 'neighbor sees bridge') break;
    }
    t.equal(got, 'dns sees dns', `${family}: the node comes back to its own server, answered all the while`);
  }
}

/** Without any other query before: the first of the node's own learns it, and the others know. */
async function killed(t: Test, scene: Scene): Promise<void> {
  await scene.makePeer(true);
  await close(scene);
  const { network } = scene;
  const server = network.spawn('node', new URL('../probe.ts', import.meta.url).pathname);
  const answers = readLines(server.stdout);
  for (const family of scene.families) {
    for (const protocol of protocols) {
      const command = { verb: 'serve', protocol, address: addresses[family].dns, port: 53, name: 'process' };
      server.stdin.write(`${JSON.stringify({ id: 1, ...command })}\n`);
      await answers.next();
    }
  }
  await scene.ask(t, [['pod1', 'dns:53', 'process sees pod1', 'a server of its own process']]);
  const opened = await openConnections(scene);
  server.kill('SIGKILL');
  await once(server, 'exit');
  await scene.ask(t, [['pod1', 'dns:53', 'neighbor sees pod1', 'it is dead: the other node answers']]);
  for (const [family, connection] of opened) {
    t.not(await network.say('pod1', connection), 'timeout', `${family}: who was connected is told`);
  }
  await listen(scene);
  await scene.ask(t, [['pod1', 'dns:53', 'dns sees pod1', 'another one has taken its place']]);
  await scene.makePeer(false);
  await forget(scene);
}

async function openConnections({ families, network }: Scene): Promise<readonly [FamilyName, string][]> {
  const opened = families.map((family): [FamilyName, string] => [family, `dns ${family}`]);
  for (const [family, connection] of opened) {
    await network.open('pod1', connection, addresses[family].dns, 53);
  }
  return opened;
}

async function* readLines(stream: NodeJS.ReadableStream): AsyncGenerator<string> {
  for await (const chunk of stream) yield* String(chunk).split('\n').filter(Boolean);
}

/** No later test shall meet what led elsewhere. */
async function forget({ families, network, subject }: Scene): Promise<void> {
  const filters = families.flatMap((family) =>
    protocols.map((protocol) => ({ family, protocol, origDst: addresses[family].dns, origDstPort: 53 })),
  );
  network.onNode(() => deleteConntrack(filters));
  for (const family of families) {
    const [program, args] = commandOf(subject.forgetDeaf(family));
    await network.exec('node', program, ...args);
  }
}

async function close({ families, network }: Scene): Promise<void> {
  for (const family of families) {
    for (const protocol of protocols) await network.close('node', protocol, addresses[family].dns, 53);
  }
}

async function listen({ families, network }: Scene): Promise<void> {
  for (const family of families) {
    for (const protocol of protocols) await network.serve('node', 'dns', protocol, addresses[family].dns, 53);
  }
}

export const dnsParts: readonly Part[] = [
  { title: 'the DNS address serves port 53 only', run: dnsAddress },
  { title: 'queries to the DNS address are not tracked', run: untracked },
  { title: 'while nobody listens at the DNS address another node answers, and nobody else', run: elsewhere },
  { title: 'a DNS server that is killed is replaced at once', run: killed },
];
