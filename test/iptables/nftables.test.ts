import t from 'tap';

import type { CompiledService, Endpoint, Frontend, NodeSettings } from '../../iptables/model.ts';
import { NftablesBackend } from '../../iptables/nftables.ts';
import { ElementRefusal } from '../../iptables/nftables-door.ts';
import type { Element, NftTransaction } from '../../iptables/nftables-door.ts';
import { listObjects } from '../../iptables/nftables-objects.ts';
import { splitTransaction } from '../../iptables/nftables-parts.ts';
import { elementText } from '../../iptables/nftables-text.ts';
import { WantedElements } from '../../iptables/nftables-wanted.ts';
import { compareElements } from '../../iptables/nftables-compare.ts';
import { FakeDoor } from './nft-door.ts';

const settings: NodeSettings = {
  clusterCIDRs: ['10.244.0.0/16'],
  serviceCIDRs: ['10.96.0.0/12'],
  dnsIPs: ['10.96.0.10'],
  podCIDRs: ['10.244.1.0/24'],
  nodeIPs: ['192.0.2.1'],
  nodePortAddresses: [],
};

function vip(n: number): string {
  return `10.97.${String(n >> 8)}.${String(n & 255)}`;
}

function endpoints(count: number, port = 8080): Endpoint[] {
  return Array.from({ length: count }, (_, n) => ({
    address: `10.244.2.${String(n + 1)}`,
    port,
    local: false,
  }));
}

function service(n: number, to: readonly Endpoint[], part: Partial<Frontend> = {}): CompiledService {
  const frontend: Frontend = {
    family: 'ipv4',
    protocol: 'tcp',
    kind: 'clusterIP',
    address: vip(n),
    port: 80,
    name: `default/s${String(n)}:http`,
    endpoints: to,
    whenEmpty: 'reject',
    ...part,
  };
  return {
    key: `default/s${String(n)}`,
    created: '',
    frontends: [frontend],
    problems: [],
  };
}

function byKey(services: readonly CompiledService[]): Map<string, CompiledService> {
  return new Map(services.map((each) => [each.key, each]));
}

/** A kernel that holds our table, and the backend that writes to it. */
function bench() {
  const door = new FakeDoor();
  door.layout = {
    chains: new Map([['services', '']]),
    objects: new Set(listObjects().map(({ name }) => name)),
  };
  const run = (_program: string, _args: readonly string[], input = ''): Promise<string> => {
    door.written.push(...input.split('\n').filter(Boolean));
    if (door.count !== undefined) door.count += 1;
    return Promise.resolve('');
  };
  return { door, backend: new NftablesBackend(run, door) };
}

t.test('what packets meet comes last: declarations, elements, chains with hooks', async (t) => {
  const { door, backend } = bench();
  door.layout = undefined;
  await backend.sync({ settings, services: byKey([service(1, endpoints(3))]) });
  const at = (line: RegExp): number => {
    const index = door.written.findIndex((each) => line.test(each));
    if (index < 0) throw new Error(`not written: ${String(line)}`);
    return index;
  };
  t.ok(at(/^add map inet weft services4 /) < at(/^add rule inet weft services4-3 /));
  t.ok(
    at(/^add rule inet weft services4-3 .*dnat/) < at(/^add services4-classes \{ 3 : goto services4-3 \}/),
  );
  t.ok(at(/^add services4 \{ 10.97.0.1 . tcp . 80 : 3 \}/) < at(/^add chain .* hook /));
  t.ok(at(/^add service-ranges4 /) < at(/^add chain .* hook /));
});

t.test('a Service that the kernel refuses is found at once', async (t) => {
  const { door, backend } = bench();
  const services = byKey(Array.from({ length: 64 }, (_, n) => service(n, endpoints(2))));
  let attempts = 0;
  const apply = door.apply.bind(door);
  door.apply = (transaction: NftTransaction): void => {
    attempts += 1;
    const bad = [...transaction.added].find((element) => elementText(element).includes(vip(40)));
    if (bad) throw new ElementRefusal('the kernel says no', bad);
    apply(transaction);
  };
  const { refused } = await backend.sync({ settings, services });
  t.strictSame([...refused.keys()], ['default/s40']);
  t.ok(attempts <= 3, `in ${String(attempts)} attempts`);
  t.equal(door.elements.size > 0 && door.written.filter((line) => /^add services4 /.test(line)).length, 63);
});

t.test(
  'while it is looked for who is refused, what an earlier process wrote for the others stands',
  async (t) => {
    const { door, backend } = bench();
    const services = byKey(Array.from({ length: 64 }, (_, n) => service(n, endpoints(1 + (n % 5)))));
    await backend.sync({ settings, services });
    const written = new Map(door.elements);
    const restarted = new NftablesBackend(() => Promise.resolve(''), door);
    services.set('default/s40', service(40, endpoints(7)));
    const apply = door.apply.bind(door);
    let attempts = 0;
    door.apply = (transaction: NftTransaction): void => {
      attempts += 1;
      const added = [...transaction.added];
      // The kernel does not say which element it is.
      if (added.some((element) => elementText(element).startsWith(`services4 { ${vip(40)} `)))
        throw new ElementRefusal('the kernel says no', undefined);
      apply({ removed: transaction.removed, added });
      const lacking = [...written.keys()].filter(
        (name) => !name.includes(vip(40)) && !door.elements.has(name),
      );
      t.strictSame(lacking, [], `attempt ${String(attempts)}`);
    };
    const { refused } = await restarted.sync({ settings, services });
    t.strictSame([...refused.keys()], ['default/s40']);
    t.ok(attempts > 3, 'it had to be looked for');
    const left = [...door.elements.keys()].filter((name) => name.includes(vip(40)));
    t.strictSame(left, [], 'what nobody answers for goes in the end');
    services.delete('default/s40');
    t.equal(
      (await restarted.sync({ settings, services })).refused.size,
      0,
      'one that is gone is not refused',
    );
    const fresh = bench();
    await fresh.backend.sync({ settings, services });
    // Who needed a class once may need it again.
    const names = ({ elements }: FakeDoor): string[] =>
      [...elements.keys()].filter((name) => !name.startsWith('services4-classes ')).sort();
    t.strictSame(names(door), names(fresh.door));
  },
);

t.test('nor do those lose their rules that are held back because too many others are refused', async (t) => {
  const { door, backend } = bench();
  const services = byKey(Array.from({ length: 100 }, (_, n) => service(n, endpoints(2))));
  await backend.sync({ settings, services });
  const restarted = new NftablesBackend(() => Promise.resolve(''), door);
  for (let n = 0; n < 60; n += 1) services.set(`default/s${String(n)}`, service(n, endpoints(7)));
  const apply = door.apply.bind(door);
  door.apply = (transaction: NftTransaction): void => {
    const added = [...transaction.added];
    const bad = added.find((element) => elementText(element).endsWith('80 : 7 }'));
    if (bad) throw new ElementRefusal('the kernel says no', bad);
    apply({ removed: transaction.removed, added });
  };
  const served = (): number =>
    [...door.elements.keys()].filter((name) => name.startsWith('services4 ')).length;
  t.equal((await restarted.sync({ settings, services })).refused.size, 100);
  t.ok(served() >= 40, `${String(served())} are served`);
  t.equal((await restarted.sync({ settings, services })).refused.size, 60, 'the search goes on');
  t.equal(served(), 40);
});

t.test('what others took away is put back, and no Service is blamed for it', async (t) => {
  const { door, backend } = bench();
  const services = byKey([service(1, endpoints(2)), service(2, endpoints(2))]);
  await backend.sync({ settings, services });
  for (const name of [...door.elements.keys()]) if (name.startsWith('services4')) door.elements.delete(name);
  services.set('default/s1', service(1, endpoints(3)));
  const { refused } = await backend.sync({ settings, services }, new Set(['default/s1']));
  t.equal(refused.size, 0);
  const there = [...door.elements.keys()].filter((name) => name.startsWith('services4 '));
  t.strictSame(there.sort(), ['services4 { 10.97.0.1 . tcp . 80 }', 'services4 { 10.97.0.2 . tcp . 80 }']);
});

t.test('nothing is read while nobody else has touched the rules', async (t) => {
  const { door, backend } = bench();
  door.count = 7;
  const services = byKey([service(1, endpoints(2))]);
  await backend.sync({ settings, services });
  services.set('default/s2', service(2, endpoints(5)));
  await backend.sync({ settings, services }, new Set(['default/s2']));
  door.reads = 0;
  t.equal((await backend.sync({ settings, services })).changes, 0);
  t.equal(door.reads, 0, 'the generation is ours');
  services.delete('default/s2');
  t.ok((await backend.sync({ settings, services })).changes > 0, 'what is wanted is compared all the same');
  t.equal(door.reads, 0);
  door.count += 1;
  door.elements.delete('services4 { 10.97.0.1 . tcp . 80 }');
  t.equal((await backend.sync({ settings, services })).changes, 1, 'somebody made a transaction');
  t.ok(door.reads > 0);
});

t.test('another node in the cluster is one element more', async (t) => {
  const { door, backend } = bench();
  const services = byKey([service(1, endpoints(2))]);
  await backend.sync({ settings, services });
  door.reads = 0;
  const moved = { ...settings, nodeIPs: ['192.0.2.1', '192.0.2.2'] };
  t.equal((await backend.sync({ settings: moved, services }, new Set())).changes, 2, 'both its ends');
  t.equal(door.reads, 0);
});

t.test('a large change never shows a frontend half-programmed', (t) => {
  // Of 2,000: some stay, go, come, get more, fewer or other endpoints, lose them all, or are split by who asks.
  const split = (n: number, outside: number) =>
    service(n, endpoints(3), { outside: endpoints(outside, 9091) });
  const before = Array.from({ length: 1800 }, (_, n) =>
    n % 3 === 0 ? split(n, n % 2) : service(n, endpoints(1 + (n % 4))),
  );
  const kinds = [
    (n: number) => service(n, endpoints(1 + (n % 4))),
    () => undefined,
    (n: number) => service(n, endpoints(2 + (n % 4))),
    (n: number) => service(n, endpoints(n % 4)),
    (n: number) => service(n, endpoints(1 + (n % 4), 9090)),
    (n: number) => split(n, (n >> 1) % 2),
    (n: number) => service(n, endpoints(3), { affinitySeconds: 60 }),
  ];
  const after = Array.from({ length: 2000 }, (_, n) => kinds[n % kinds.length]?.(n)).filter(
    (each) => each !== undefined,
  );
  const door = new FakeDoor();
  const states = [before, after].map((services) => {
    const wanted = new WantedElements(settings);
    wanted.update(services.map((each) => [each.key, each]));
    return wanted;
  });
  const pictures = states.map((wanted) => {
    const whole = new FakeDoor();
    whole.apply({ removed: [], added: wanted.tables().flatMap((table) => [...table.missing()]) });
    return met(whole.elements);
  });
  let last = met(door.elements);
  let parts = 0;
  let halves: string[] = [];
  for (const [index, wanted] of states.entries()) {
    const next = pictures[index] ?? last;
    for (const part of splitTransaction(compareElements(wanted.tables(), door))) {
      door.apply(part);
      parts += 1;
      const shown = met(door.elements);
      const ids = [...new Set([...shown.keys(), ...last.keys(), ...next.keys()])];
      const half = ids.filter((id) => ![last.get(id), next.get(id)].includes(shown.get(id)));
      halves = [...halves, ...half];
    }
    last = next;
  }
  t.strictSame(halves, []);
  t.ok(parts > 4, `in ${String(parts)} parts`);
  t.strictSame(met(door.elements), pictures.at(-1), 'and all of it came');
  t.end();
});

t.test('a listing that names one element twice instead of another is not believed', (t) => {
  /** As the kernel lists a hash table that grows meanwhile. */
  class GrowingDoor extends FakeDoor {
    growing = 2;

    override readElements(object: string, visit: (element: Element) => void): boolean {
      const all = [...this.elements.values()].filter((element) => element.object === object);
      this.reads += 1;
      const grows = this.growing > 0 && all.length > 1;
      if (grows) this.growing -= 1;
      for (const element of grows ? [...all.slice(1), ...all.slice(1, 2)] : all) visit(element);
      return true;
    }
  }
  const wanted = new WantedElements(settings);
  const services = Array.from({ length: 5 }, (_, n) => service(n, endpoints(3)));
  wanted.update(services.map((each) => [each.key, each]));
  const compare = (growing: number, wants = wanted) => {
    const door = new GrowingDoor();
    door.apply({ removed: [], added: wanted.tables().flatMap((table) => [...table.missing()]) });
    door.growing = growing;
    return compareElements(wants.tables(), door);
  };
  t.equal(compare(2).changes, 0, 'nothing is taken for lost');
  const nothing = new WantedElements(settings);
  const removed = [...compare(2, nothing).removed].map((element) => elementText(element));
  t.equal(new Set(removed).size, removed.length, 'nothing is removed twice');
  t.same(removed.sort(), [...compare(0, nothing).removed].map((element) => elementText(element)).sort());
  t.throws(() => compare(1000), { code: 'BUSY' }, 'and it ends');
  t.end();
});

/** What a packet to each frontend meets: the elements that lead on from its entry. */
function met(elements: ReadonlyMap<string, Element>): Map<string, string> {
  const all = new Map([...elements].map(([name, element]) => [name, elementText(element)]));
  const valueOf = (name: string): string | undefined => / : (.*) \}/.exec(all.get(name) ?? '')?.[1];
  const follow = (bank: string, id: string): string => {
    const number = Number(valueOf(`${bank} { ${id} }`));
    if (number === 0x4000_0000) {
      return ['inside', 'outside'].map((view) => `${view}: ${follow(`${view}-services4`, id)}`).join('; ');
    }
    const first = bank.startsWith('outside') ? 0x5700_1000 : 0x5700_0000;
    const choices = Array.from({ length: number & 0xfff }, (_, n) => {
      const mark = number > 0xfff ? valueOf(`${bank}-slots { ${id} . ${String(n)} }`) : first + n;
      return valueOf(`${bank}-endpoints { ${id} . ${String(mark)} }`) ?? 'nowhere';
    });
    return `${String(number)} ${valueOf(`${bank}-classes { ${String(number)} }`) ?? 'no chain'}: ${choices.join(', ')}`;
  };
  const entries = [...all.keys()].flatMap((name) => /^services4 \{ (.*) \}$/.exec(name)?.[1] ?? []);
  return new Map(entries.map((id) => [id, follow('services4', id)]));
}
