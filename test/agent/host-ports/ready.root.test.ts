/** A runtime's ADD answers when the ports that it asked for lead to the container, and DEL when they do not any more. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { skipUnlessRoot } from '../../root.ts';
import { Probe } from '../../iptables/probe-client.ts';
import { makeContainer, ServingNode } from '../cni/node.ts';
import type { TestNode } from '../network/cluster-fixture.ts';
import { run, TestCluster } from '../network/cluster-fixture.ts';

const rounds = 5;
const ports = ['tcp', 'udp'].map((protocol) => ({ hostPort: 8080, containerPort: 80, protocol }));

if (skipUnlessRoot(t)) {
  await using cluster = new TestCluster(2);
  const [node, other] = cluster.nodes as [TestNode, TestNode];
  mkdirSync(node.settings.stateDir);
  process.env['XTABLES_LOCKFILE'] = path.join(cluster.stateDir, 'xtables.lock');
  // A test asks more often than the kernel likes to refuse: one ICMP error per second and host.
  run(node.namespace, 'sysctl', '-qw', 'net.ipv4.icmp_ratelimit=0', 'net.ipv6.icmp.ratelimit=0');
  const { plugin } = new ServingNode(node);
  const container = makeContainer('web');
  const [inside, outside, local] = [
    container.netns.split('/').at(-1) ?? '',
    other.namespace,
    node.namespace,
  ].map((namespace) => new Probe(namespace)) as [Probe, Probe, Probe];
  t.teardown(async () => {
    for (const probe of [inside, outside, local]) await probe.end();
    container.remove();
  });
  for (const protocol of ['tcp', 'udp'] as const) {
    // Both families: the address is that of a socket for either.
    const answer = await inside.send({ verb: 'serve', protocol, address: '::', port: 80, name: 'web' });
    if (answer !== 'ok') throw new Error(`${protocol}: ${answer}`);
  }

  /** What everybody gets at once, at each of the node's addresses. */
  const askAll = async (): Promise<string[]> => {
    const questions = [outside, local].flatMap((probe) =>
      (['tcp', 'udp', 'the same UDP flow'] as const).flatMap((flow) =>
        node.settings.nodeIPs.map((address, i) => {
          // A client that goes on by its old port is tracked: it is to notice what comes and goes all the same.
          const from = flow === 'the same UDP flow' ? 20_000 + i : 0;
          const protocol = flow === 'tcp' ? flow : 'udp';
          return probe.send({ verb: 'ask', protocol, address, port: 8080, timeoutMs: 2000, from });
        }),
      ),
    );
    return (await Promise.all(questions)).map((answer) => answer.split(' ')[0] ?? '');
  };

  for (const name of ['iptables-nft', 'nftables', 'iptables-legacy']) {
    await t.test(name, async (t) => {
      // An agent takes to legacy where other rules are there already.
      if (name === 'iptables-legacy') run(node.namespace, name, '-A', 'INPUT', '-j', 'ACCEPT');
      const backend = name.split('-')[0] ?? '';
      await node.start(cluster.objects(), { backend });
      await node.ask('startRules');
      await node.ask('serveRuntimes');
      const [after, gone]: [Set<string>, Set<string>] = [new Set(), new Set()];
      for (let i = 0; i < rounds; i += 1) {
        await plugin.add({ ...container, config: { runtimeConfig: { portMappings: ports } } });
        for (const answer of await askAll()) after.add(answer);
        await plugin.succeed({ verb: 'DEL', ...container });
        for (const answer of await askAll()) gone.add(answer);
      }
      t.same([...after], ['web'], 'right after ADD');
      t.same([...gone], ['ECONNREFUSED'], 'right after DEL');
      await node.kill();
    });
  }
}
