import t from 'tap';
import type { Test } from 'tap';
import { addressOfLease } from '../../../api/announcement.ts';
import { endpointSlices, events, leases, nodes, services } from '../../../api/client/resources.ts';
import type { Service } from '../../../api/kinds/service.ts';
import { skipUnlessRoot } from '../../root.ts';
import { Segment, until } from './segment.ts';
import type { AnnouncingNode } from './segment.ts';

const first = ['172.30.0.224', 'fd00:172:30::1:0'];
const second = ['172.30.0.225', 'fd00:172:30::1:1'];

/** Makes a Service and gives it its addresses, as the controller does. */
async function createService(
  { admin }: Segment,
  name: string,
  addresses: readonly string[],
  spec: Partial<Service['spec']> = {},
): Promise<void> {
  const { status: _, ...service } = await admin.create(services, {
    metadata: { name, namespace: 'default' },
    spec: {
      type: 'LoadBalancer',
      ports: [{ port: 80, protocol: 'TCP' }],
      ipFamilyPolicy: 'PreferDualStack',
      ...spec,
    },
  });
  const ingress = addresses.map((ip) => ({ ip, ipMode: 'VIP' }));
  await admin.updateStatus(services, { ...service, status: { loadBalancer: { ingress } } });
}

/** Which node holds which address, as the Leases say. */
async function holders({ admin }: Segment): Promise<Record<string, string | undefined>> {
  const all = await admin.listAll(leases, { namespace: 'kube-system' });
  return Object.fromEntries(
    all.flatMap(({ metadata, spec }) => {
      const address = addressOfLease(metadata.name);
      return address === undefined ? [] : [[address, spec?.holderIdentity]];
    }),
  );
}

/** Who the client talks to for each address; waits until each has somebody. */
async function resolveAll(segment: Segment, addresses: readonly string[]): Promise<AnnouncingNode[]> {
  const found: AnnouncingNode[] = [];
  for (const address of addresses) {
    await until(`${address} is announced`, async () => (await segment.resolve(address)) !== undefined);
    const node = await segment.neighbor(address);
    if (node) found.push(node);
  }
  return found;
}

if (skipUnlessRoot(t)) {
  await using segment = await Segment.create(3);
  const { admin } = segment;
  for (const node of segment.nodes) {
    await segment.register(node);
    await node.start();
  }

  await t.test('an address of each family is found by ARP and neighbour discovery', async (t) => {
    await createService(segment, 'first', first);
    const found = await resolveAll(segment, first);
    t.equal(found.length, 2);
    const leased = await holders(segment);
    t.strictSame(
      found.map(({ name }) => name),
      first.map((address) => leased[address]),
      'where the Leases say',
    );
    await until('an Event tells', async () => {
      const all = await admin.listAll(events, { namespace: 'default' });
      return found.every(({ name }, index) =>
        all.some(
          ({ reason, message, involvedObject }) =>
            reason === 'NodeAssigned' &&
            involvedObject.name === 'first' &&
            message === `Announcing ${String(first[index])} from node "${name}"`,
        ),
      );
    });
    for (const node of new Set(found)) {
      await until('its metric tells', async () =>
        /^weft_announced_addresses [12]$/m.test(await node.metrics()),
      );
    }
  });

  await t.test('a node that dies: the client learns the next one without asking', async (t) => {
    for (const address of first) await diesAndMoves(t, address);
  });

  async function diesAndMoves(t: Test, address: string): Promise<void> {
    const [victim] = await resolveAll(segment, [address]);
    await victim?.kill();
    const ms = await until('another node takes over', async () => {
      const node = await segment.neighbor(address);
      return node !== undefined && node !== victim;
    });
    t.comment(`${address}: taken over ${ms} ms after kill -9 of ${String(victim?.name)}`);
    await until(
      'the Lease says the same',
      async () => (await segment.neighbor(address))?.name === (await holders(segment))[address],
    );
    await victim?.start();
  }

  await t.test('a host that claims an address under many names is told of once', async (t) => {
    const address = first[0] ?? '';
    const [node] = await resolveAll(segment, [address]);
    const macs = Array.from({ length: 50 }, (_, index) => `02:00:5e:00:54:${String(10 + index)}`);
    segment.claim(address, macs);
    await until('the claims are counted', async () =>
      /^weft_announce_conflicts_total 100$/m.test((await node?.metrics()) ?? ''),
    );
    const told = async () => {
      const all = await admin.listAll(events, { namespace: 'default' });
      return all.filter(({ reason }) => reason === 'AddressConflict');
    };
    await until('an Event tells', async () => (await told()).length > 0);
    t.match(await told(), [{ message: /is claimed by a host with hardware address 02:00:5e:00:54:10$/ }]);
    t.equal((await told()).length, 1);
    await until('the neighbours know better', async () => (await segment.neighbor(address)) === node);
  });

  await t.test('a node that stops gives away; one that restarts, or comes, takes nothing', async (t) => {
    const address = first[0] ?? '';
    const [before] = await resolveAll(segment, [address]);
    await before?.end('restart');
    await before?.start();
    await until('it holds it again', async () =>
      /^weft_announced_addresses [12]$/m.test((await before?.metrics()) ?? ''),
    );
    await segment.forget(address);
    t.equal((await resolveAll(segment, [address]))[0], before, 'after a restart it is still there');
    await before?.end('stop');
    await until('another has it', async () => {
      const node = await segment.neighbor(address);
      return node !== undefined && node !== before;
    });
    const next = await segment.neighbor(address);
    await before?.start();
    await createService(segment, 'second', second);
    await resolveAll(segment, second);
    t.equal(await segment.resolve(address), next, 'who comes back gets what is free, and nothing of others');
  });

  await t.test('a node without the API stops before another takes over', async (t) => {
    const address = first[0] ?? '';
    const [alone] = await resolveAll(segment, [address]);
    await alone?.cutOff(true);
    await until('another has it', async () => {
      const node = await segment.neighbor(address);
      return node !== undefined && node !== alone;
    });
    for (const cut of [true, false]) {
      await segment.forget(address);
      const [found] = await resolveAll(segment, [address]);
      t.not(found, alone, cut ? 'it answers no more' : 'nor when it is back');
      if (cut) await alone?.cutOff(false);
    }
    await until('its metric tells', async () =>
      /^weft_announce_lapsed_total [1-9]/m.test((await alone?.metrics()) ?? ''),
    );
  });

  await t.test('without the API for anybody the holder goes on, and keeps it', async (t) => {
    const all = [...first, ...second];
    const before = await resolveAll(segment, all);
    await segment.cutApi(true);
    for (const node of new Set(before)) {
      await until('its Lease has run out', async () =>
        /^weft_announced_addresses 0$/m.test(await node.metrics()),
      );
    }
    for (const address of all) await segment.forget(address);
    t.strictSame(
      (await resolveAll(segment, all)).map(({ name }) => name),
      before.map(({ name }) => name),
    );
    await segment.cutApi(false);
    await until('the Leases are renewed', async () => {
      const texts = await Promise.all(segment.nodes.map((node) => node.metrics()));
      const count = texts.map((text) => Number(/^weft_announced_addresses (\d)$/m.exec(text)?.[1]));
      return count.reduce((sum, each) => sum + each, 0) === all.length;
    });
    for (const address of all) await segment.forget(address);
    t.strictSame(
      (await resolveAll(segment, all)).map(({ name }) => name),
      before.map(({ name }) => name),
    );
  });

  await t.test('externalTrafficPolicy Local: where the endpoints are, or nowhere', async (t) => {
    const address = '172.30.0.226';
    const put = (...hosts: string[]) => ({
      metadata: { name: 'local-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'local' } },
      addressType: 'IPv4' as const,
      ports: [{ name: '', port: 8080, protocol: 'TCP' }],
      endpoints: hosts.map((nodeName, index) => ({
        addresses: [`10.244.${index + 1}.2`],
        nodeName,
        conditions: { ready: true },
      })),
    });
    await admin.create(endpointSlices, put('node2'));
    await createService(segment, 'local', [address], { externalTrafficPolicy: 'Local' });
    t.equal((await resolveAll(segment, [address]))[0]?.name, 'node2');
    await admin.update(endpointSlices, put('node3'));
    await until('it moves to the endpoint', async () => (await segment.neighbor(address))?.name === 'node3');
    await admin.update(endpointSlices, put());
    await until('nobody has it', async () => (await holders(segment))[address] === '');
    await segment.forget(address);
    t.equal(await segment.resolve(address), undefined, 'no endpoint, no answer');
    await admin.update(endpointSlices, put('node1'));
    t.equal((await resolveAll(segment, [address]))[0]?.name, 'node1');
    const label = 'node.kubernetes.io/exclude-from-external-load-balancers';
    await admin.patch(nodes, { name: 'node1' }, { metadata: { labels: { [label]: '' } } }, 'merge');
    await until('an excluded node gives it away', async () => (await holders(segment))[address] === '');
    await admin.patch(nodes, { name: 'node1' }, { metadata: { labels: { [label]: null } } }, 'merge');
  });

  await t.test('a Service that changes its address, or goes, leaves nothing', async (t) => {
    const service = await admin.get(services, { namespace: 'default', name: 'second' });
    const moved = ['172.30.0.230', 'fd00:172:30::1:6'];
    const ingress = moved.map((ip) => ({ ip, ipMode: 'VIP' }));
    await admin.updateStatus(services, { ...service, status: { loadBalancer: { ingress } } });
    await resolveAll(segment, moved);
    for (const name of ['first', 'second', 'local']) {
      await admin.delete(services, { namespace: 'default', name });
    }
    await until('the Leases are gone', async () => Object.keys(await holders(segment)).length === 0);
    for (const address of [...first, ...second, ...moved]) {
      await segment.forget(address);
      t.equal(await segment.resolve(address), undefined, `${address} is answered no more`);
    }
  });
}
