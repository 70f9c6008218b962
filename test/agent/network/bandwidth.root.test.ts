/** Limits of bandwidth: what really gets through, who can lift them, and that they come back and go. */
import { constants } from 'node:os';
import t from 'tap';
import type { Attachment } from '../../../agent/network/attachment.ts';
import { limiterName, podHostLinkName, podMac } from '../../../agent/network/marks.ts';
import { ensurePodLink, removeRetiredLinks } from '../../../agent/network/pod-link.ts';
import { TrafficKeeper } from '../../../agent/network/traffic-keeper.ts';
import { KernelError } from '../../../netns/kernel-error.ts';
import type { Request } from '../../../netns/message.ts';
import { listNamespaces, openNamespace, removeNamespace } from '../../../netns/namespace.ts';
import { NetlinkSocket } from '../../../netns/netlink.ts';
import { skipUnlessRoot } from '../../root.ts';
import type { TestNode } from './cluster-fixture.ts';
import { eventually, ip, pings, run, TestCluster, testNamespace } from './cluster-fixture.ts';
import { measureThroughput } from './throughput.ts';

/** Bits per second, and the bytes that are sent: a second's worth. */
const rate = 8e6;
const bytes = rate / 8;
const bandwidth = { ingress: { rate }, egress: { rate, burst: 400_000 } };
const gateway = '10.244.1.1';
/** A burst may go at once, and figures are no exact science; without a limit it is a hundred times as fast. */
const limited = bytes * 1.3;

interface Listed {
  readonly kind: string;
  readonly root?: boolean;
  readonly options: Readonly<Record<string, unknown>>;
}

/** A kernel that makes the link of a limit, and refuses all that is asked with it. */
class RefusingSocket extends NetlinkSocket {
  readonly #link: string;

  constructor(namespace: string, link: string) {
    super({ namespace });
    this.#link = link;
  }

  override request(requests: readonly Request[]): void {
    const [first] = requests;
    if (first?.about !== this.#link) {
      super.request(requests);
      return;
    }
    super.request([first]);
    throw new KernelError('RTM_NEWLINK', constants.errno.EIO, this.#link);
  }
}

if (skipUnlessRoot(t)) {
  await using cluster = new TestCluster(1);
  const [node] = cluster.nodes as [TestNode];
  const tc = (link: string, what: string, ...more: string[]): Listed[] =>
    JSON.parse(run(node.namespace, 'tc', '-j', what, 'show', 'dev', link, ...more) || '[]') as Listed[];
  const limiters = (): string[] =>
    ip(node.namespace, 'link', 'show', 'type', 'ifb').map(({ ifname }) => String(ifname));
  /** The node's ends of pods' links, and its card. */
  const ends = (): unknown[] => ip(node.namespace, 'link', 'show', 'type', 'veth');
  /** Without the numbers that the kernel gives actions. */
  const listing = (): string =>
    [
      ...[pod.hostLink, ...limiters()].map((link) => JSON.stringify(tc(link, 'qdisc'))),
      run(node.namespace, 'tc', 'filter', 'show', 'dev', pod.hostLink, 'ingress').replace(/index \d+/, ''),
    ].join('\n');
  const id = cluster.uid('slow');
  let pod: Attachment;
  const toPod = (): Promise<number> =>
    measureThroughput(node.namespace, pod.netns.split('/').at(-1) ?? '', pod.ips[0] ?? '', bytes);
  const fromPod = (): Promise<number> =>
    measureThroughput(pod.netns.split('/').at(-1) ?? '', node.namespace, gateway, bytes);
  const isAsItShallBe = async (): Promise<boolean> => (await node.ask<string[]>('check', id)).length === 0;

  await t.test('both directions, in the kernel’s own words', async (t) => {
    await node.start(cluster.objects());
    pod = await node.ask<Attachment>('attach', { id, bandwidth });
    const [limiter = ''] = limiters();
    t.match(tc(pod.hostLink, 'qdisc'), [{ kind: 'tbf', options: { rate: rate / 8 } }, { kind: 'clsact' }]);
    t.match(tc(limiter, 'qdisc'), [{ kind: 'tbf', options: { rate: rate / 8 } }]);
    t.match(run(node.namespace, 'tc', 'filter', 'show', 'dev', pod.hostLink, 'ingress'), `device ${limiter}`);
    for (const address of [gateway, 'fd00:10:244:1::1']) t.ok(pings(pod.netns, address), address);
    t.same(await node.ask('check', id), []);
  });

  await t.test('a pod that comes and goes is no reason to look at everything', async (t) => {
    const counters = (): Promise<{ passes: number; fullPasses: number }> => node.ask('counters');
    let moves = 0;
    /** How many passes over everything there were, once all is judged that was told: a change of another node is behind it. */
    const fullPasses = async (): Promise<number> => {
      const { passes } = await counters();
      moves += 1;
      await node.ask('changeNode', {
        metadata: { name: 'other' },
        spec: { podCIDRs: ['10.244.9.0/24'] },
        status: { addresses: [{ type: 'InternalIP', address: `172.30.0.${100 + moves}` }] },
      });
      await eventually('a pass', async () => (await counters()).passes > passes);
      return (await counters()).fullPasses;
    };
    let before = -1;
    await eventually('what the start brought is seen', async () => {
      const last = before;
      before = await fullPasses();
      return before === last;
    });
    const other = cluster.uid('passing');
    for (const [what, request] of Object.entries({
      'without limits': { id: other },
      'with limits': { id: other, bandwidth },
    })) {
      await node.ask('attach', request);
      t.equal(await fullPasses(), before, `it comes, ${what}`);
      await node.ask('detach', other);
      t.equal(await fullPasses(), before, `it goes, ${what}`);
      await eventually('its links go', () => limiters().length === 1 && ends().length === 2);
      t.equal(await fullPasses(), before, `and its links, ${what}`);
    }
  });

  await t.test('nothing goes faster, and from inside nobody changes that', async (t) => {
    run(pod.netns, 'tc', 'qdisc', 'replace', 'dev', 'eth0', 'root', 'pfifo');
    const [down, up] = await Promise.all([toPod(), fromPod()]);
    t.ok(down <= limited, `to the pod ${down} of ${bytes} bytes/s`);
    t.ok(up <= limited, `from the pod ${up} of ${bytes} bytes/s`);
  });

  for (const [what, damage] of Object.entries({
    'the link where it waits': (): string[] => ['ip', 'link', 'delete', limiters()[0] ?? ''],
    'the way there': () => ['tc', 'filter', 'delete', 'dev', pod.hostLink, 'ingress', 'prio', '2'],
    'the bucket on it': () => ['tc', 'qdisc', 'delete', 'dev', limiters()[0] ?? '', 'root'],
    'the bucket on the pod’s link': () => ['tc', 'qdisc', 'delete', 'dev', pod.hostLink, 'root'],
    'other figures': () => [
      'tc',
      'qdisc',
      'change',
      'dev',
      pod.hostLink,
      'root',
      'handle',
      '1:',
      'tbf',
      'rate',
      '1gbit',
      'burst',
      '1mb',
      'limit',
      '1mb',
    ],
    'another kind': () => ['tc', 'qdisc', 'replace', 'dev', pod.hostLink, 'root', 'handle', '7:', 'pfifo'],
  })) {
    await t.test(`a limit comes back: ${what}`, async (t) => {
      const before = listing();
      // Nobody mends anything before it was looked at.
      node.signal('SIGSTOP');
      run(node.namespace, ...damage());
      t.not(listing(), before);
      node.signal('SIGCONT');
      await eventually('mended', () => listing() === before);
    });
  }

  await t.test('another agent, which has routed links', async (t) => {
    await node.kill();
    const [own] = limiters();
    const stray = 'weft-0123456789';
    run(node.namespace, 'ip', 'link', 'add', stray, 'type', 'ifb');
    run(node.namespace, 'ip', 'link', 'set', stray, 'alias', 'weft:limit:of a pod that is gone');
    await node.start(cluster.objects(), { podLink: 'routed' });
    await eventually('turned over', () => ip(node.namespace, 'link', 'show', 'master', 'weft0').length === 0);
    await eventually('as it shall be', isAsItShallBe);
    t.same(limiters(), [own], 'no stray one');
    const [down, up] = await Promise.all([toPod(), fromPod()]);
    t.ok(down <= limited, `to the pod ${down} of ${bytes} bytes/s`);
    t.ok(up <= limited, `from the pod ${up} of ${bytes} bytes/s`);
  });

  await t.test('who is attached again without limits has none', async (t) => {
    await node.ask('attach', { id });
    t.same(await node.ask('check', id), []);
    t.same(
      tc(pod.hostLink, 'qdisc')
        .map(({ kind }) => kind)
        .filter((kind) => kind !== 'noqueue'),
      ['clsact'],
    );
    await eventually('no link is left', () => limiters().length === 0);
    const [down, up] = await Promise.all([toPod(), fromPod()]);
    t.ok(down > limited && up > limited, `${down} and ${up} bytes/s`);
    await node.ask('attach', { id, bandwidth });
    t.same(await node.ask('check', id), [], 'and with them has them');
  });

  await t.test('a link of which the kernel made no more than that goes, too', (t) => {
    const strange = 'refused';
    const netns = cluster.foreignNamespace(strange);
    const own = limiters();
    // Nobody else looks.
    node.signal('SIGSTOP');
    using socket = new RefusingSocket(node.namespace, limiterName(strange));
    using namespace = openNamespace(netns);
    const attachment = {
      ...{ id: strange, netns, ifname: 'eth0', hostLink: podHostLinkName(strange), mac: podMac(strange) },
      ...{ ips: [], bandwidth },
    };
    const plan = { podLink: 'bridge', mtu: 1450, bridgeMac: podMac('bridge'), ranges: [] } as const;
    const make = (): unknown =>
      ensurePodLink(socket, namespace, attachment, { plan, traffic: new TrafficKeeper() });
    t.throws(make, { code: 'EIO' });
    t.equal(limiters().length, own.length + 1);
    removeRetiredLinks(socket);
    t.same(limiters(), own);
    node.signal('SIGCONT');
    removeNamespace(testNamespace(`foreign-${strange}`));
    t.end();
  });

  await t.test('what is not wanted goes: with the pod, and with everything', async (t) => {
    await node.ask('detach', id);
    await eventually('no link is left', () => limiters().length === 0);
    await node.ask('attach', { id, bandwidth });
    t.equal(limiters().length, 1);
    await node.ask('cleanup');
    t.same(limiters(), []);
  });

  t.test('nothing is left behind', (t) => {
    t.same(listNamespaces(testNamespace('foreign')), []);
    t.end();
  });
}
