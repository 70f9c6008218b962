/** `weft ipam` on a node with an agent and without one: what differs on purpose is found, and nothing else. */
import { spawnSync } from 'node:child_process';
import t from 'tap';
import type { Difference } from '../../agent/ipam/audit.ts';
import type { LeaseList, ListedLease } from '../../agent/ipam/lease-list.ts';
import { hostEnvironment } from '../../agent/lab/lab-config.ts';
import type { LabHost } from '../../agent/lab/lab-plan.ts';
import { openLab } from '../../agent/lab/lab-settings.ts';
import { setLink, createLink } from '../../netns/link.ts';
import { runInNamespace } from '../../netns/namespace.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { eventually } from '../../scripts/guide/lab-shell.ts';
import { firstAddress, makeContainer } from '../agent/cni/node.ts';
import { Plugin } from '../agent/cni/plugin.ts';
import { run } from '../agent/network/cluster-fixture.ts';
import { listKubectls, type Kubectl } from '../kubectls.ts';
import { diffMachineState, readMachineState } from '../../rig/residue.ts';
import { skipUnlessRoot } from '../root.ts';
import { TestLab, weft } from './lab-fixture.ts';

interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

if (skipUnlessRoot(t)) {
  const before = readMachineState();
  const [kubectl] = listKubectls([33]).slice(-1) as [Kubectl];
  const lab = new TestLab('ipam-test', 1);
  const shell = lab.shell(kubectl);
  const containers = ['a', 'b', 'c'].map((name) => makeContainer(`ipam-${name}`));
  const [a, b, c] = containers as [(typeof containers)[0], (typeof containers)[0], (typeof containers)[0]];
  const idOf = ({ containerId }: typeof a): string => `cni:${containerId}:eth0`;
  t.teardown(() => {
    for (const each of containers) each.remove();
    lab.down();
  });

  const ipam = (...args: string[]): Said => {
    const plan = openLab(lab.name);
    const [host] = plan.nodes as [LabHost];
    const env = hostEnvironment(plan, host);
    const { status, stdout, stderr } = runInNamespace(host.namespace, () =>
      spawnSync(weft, ['ipam', ...args], { encoding: 'utf8', env }),
    );
    return { code: status, out: stdout, err: stderr };
  };
  const leases = (): readonly ListedLease[] =>
    (JSON.parse(ipam('show', '-o', 'json').out) as LeaseList).leases;
  /** What `weft ipam check` finds, in no order, and its exit code. */
  const check = (): { code: number | null; found: string[] } => {
    const { code, out } = ipam('check', '-o', 'json');
    const { differences } = JSON.parse(out) as { differences: Difference[] };
    return { code, found: differences.map(({ found }) => found).sort() };
  };
  const start = async (pod: string): Promise<void> => {
    await shell.kubectl('run', pod, '--image=nginx');
    await shell.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'pod', pod);
  };
  const uidOf = (pod: string): Promise<string> =>
    shell.kubectl('get', 'pod', pod, '-o', 'jsonpath={.metadata.uid}');
  const addressOf = new Map<typeof a, string>();

  t.test('pods and containers on a clean node', async (t) => {
    await lab.up();
    const [host] = openLab(lab.name).nodes;
    const plugin = new Plugin(host?.runDir ?? '');
    for (const each of containers) addressOf.set(each, firstAddress(await plugin.add(each)));
    await Promise.all(['web', 'gone'].map(start));
    await eventually(() => {
      t.same(check(), { code: 0, found: [] });
      return Promise.resolve();
    });
    const uid = await uidOf('web');
    const all = leases();
    t.match(
      all.find(({ id }) => id === uid),
      { pod: { namespace: 'default', name: 'web' }, ips: { length: 2 }, since: Number, isStale: false },
    );
    t.match(
      all.find(({ id }) => id === idOf(a)),
      { cni: { containerId: a.containerId }, netns: a.netns, ifname: 'eth0', ips: [addressOf.get(a)] },
    );
    const { out } = ipam('show');
    const line = out.split('\n').find((each) => each.includes(uid)) ?? '';
    t.match(line, /^10\.244\.\S+,fd00:\S+ +\S+ +default\/web +- +eth0 +\/run\/netns\/weft-\S+ +\S+Z +this$/);
  });

  t.test('with an agent: what differs is found', async (t) => {
    const { ips: [web = ''] = [], id: uid } = leases().find(({ pod }) => pod?.name === 'web') ?? { id: '' };
    a.remove();
    run(b.netns, 'ip', 'address', 'delete', `${addressOf.get(b) ?? ''}/32`, 'dev', 'eth0');
    const { code, out } = ipam('check');
    t.equal(code, 1);
    t.match(out.trimEnd().split('\n').sort(), [
      new RegExp(`^${idOf(a)} has .*, but there is no ${a.netns}: weft ipam release ${idOf(a)}$`),
      `${idOf(b)} has ${addressOf.get(b) ?? ''}, but eth0 in ${b.netns} does not: remove container ${b.containerId}`,
    ]);

    t.match(ipam('release', 'nobody'), { code: 1, err: /nobody has nobody on this node/ });
    t.match(ipam('release', idOf(a)), { code: 0, out: / is free\n$/ });
    const address = addressOf.get(b) ?? '';
    t.match(ipam('release', address), { code: 1, err: /its namespace .* is alive/ });
    t.match(ipam('release', address, '--force'), { code: 0 });
    t.same(check(), { code: 0, found: [] });
    t.match(ipam('show').out, new RegExp(`^${address} rests for another \\d+ s$`, 'm'));

    t.match(ipam('release', uid, '--force'), { code: 0 });
    const lost = check();
    t.equal(lost.code, 1);
    t.match(lost.found, [
      `pod default/web has ${web} in the API, but there is no lease of it`,
      /^pod default\/web has fd00:.* in the API, but there is no lease of it$/,
    ]);
    await shell.kubectl('delete', 'pod', 'web', '--force', '--grace-period=0');
    t.same(check(), { code: 0, found: [] });
  });

  t.test('without an agent', async (t) => {
    const uid = await uidOf('gone');
    const [node] = (
      JSON.parse(lab.run('status', '--output', 'json')) as { nodes: { pid: number; name: string }[] }
    ).nodes;
    process.kill(node?.pid ?? 0, 'SIGKILL');
    await shell.kubectl('delete', 'pod', 'gone', '--force', '--grace-period=0');
    t.same(
      leases()
        .map(({ id }) => id)
        .sort(),
      [idOf(c), uid].sort(),
    );
    const { namespace = '' } = openLab(lab.name).nodes[0] ?? {};
    using socket = new NetlinkSocket({ namespace });
    const { hostLink = '' } = leases().find(({ id }) => id === idOf(c)) ?? {};
    socket.request([
      createLink('stray', { kind: 'bridge' }),
      setLink('stray', { alias: 'weft:pod:nobody' }),
      setLink(hostLink, { up: false }),
    ]);
    const { code, found } = check();
    t.equal(code, 1);
    t.match(found, [
      new RegExp(`^${idOf(c)} has .*, but ${hostLink}, the node's end of its link, is down$`),
      'link stray (weft:pod:nobody) is there, but no lease for it',
      /^pod default\/gone \(.*\) has .*, but the API has no such pod on this node$/,
    ]);
    t.match(ipam('release', idOf(c)), { code: 1, err: /is alive/ });
    c.remove();
    t.match(ipam('release', idOf(c)), { code: 0 });
    t.match(ipam('release', uid, '--force'), { code: 0 });
    t.same(leases(), []);
    socket.request([setLink('stray', { alias: '' })]);
    t.same(check(), { code: 0, found: [] });
  });

  t.test('the machine is as before', async () => {
    for (const each of containers) each.remove();
    lab.down();
    await eventually(() => {
      const left = diffMachineState(before, readMachineState());
      if (left.length > 0) throw new Error(left.join('\n'));
      return Promise.resolve();
    });
  });
}
