import t from 'tap';

import { RulesError } from '../../iptables/error.ts';
import { IptablesBackend } from '../../iptables/iptables.ts';
import type { CompiledService, Endpoint, Frontend, NodeSettings } from '../../iptables/model.ts';
import { FakeXtables } from './fake-xtables.ts';

const settings: NodeSettings = {
  clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
  serviceCIDRs: ['10.96.0.0/12', 'fd00:10:96::/112'],
  dnsIPs: [],
  podCIDRs: ['10.244.1.0/24'],
  nodeIPs: ['192.0.2.1'],
  nodePortAddresses: [],
};

function endpoints(count: number, port = 8080): Endpoint[] {
  return Array.from({ length: count }, (_, n) => ({
    address: `10.244.2.${String(n + 2)}`,
    port,
    local: false,
  }));
}

function service(key: string, ...frontends: Partial<Frontend>[]): CompiledService {
  const common = {
    family: 'ipv4',
    protocol: 'tcp',
    kind: 'clusterIP',
    port: 80,
    name: `${key}:http`,
    endpoints: endpoints(2),
    whenEmpty: 'reject',
  } as const;
  return {
    key,
    created: '',
    frontends: frontends.map((part) => ({ address: undefined, ...common, ...part })),
    problems: [],
  };
}

function numbered(n: number, count = 2, port = 8080): CompiledService {
  const address = `10.96.${String(n >> 8)}.${String(n & 255)}`;
  const key = `ns/s${String(n)}`;
  // As long as names can be.
  const name = `${key}:${'x'.repeat(110)}`;
  return service(key, { address, name, endpoints: endpoints(count, port) });
}

function mapOf(...services: CompiledService[]): Map<string, CompiledService> {
  return new Map(services.map((each) => [each.key, each]));
}

/** 3 MB of rules. */
const many = (): Map<string, CompiledService> =>
  mapOf(...Array.from({ length: 2500 }, (_, n) => numbered(n, 4)));

const jumpsIn = (kernel: FakeXtables): string[] =>
  kernel.list('nat').filter((rule) => /^-A (PRE|POST|OUT)\S* .* -j WEFT/.test(rule));

t.test('a first load is met by packets all at once, in however many pieces it comes', async (t) => {
  const kernel = new FakeXtables();
  const seen: number[] = [];
  kernel.onCommit = () => {
    if (kernel.calls.at(-1)?.program === 'iptables-nft-restore') seen.push(jumpsIn(kernel).length);
  };
  const backend = new IptablesBackend('nft', kernel.run);
  await backend.sync({ settings, services: many() });
  const pieces = kernel.takeCalls().filter((program) => program === 'iptables-nft-restore');
  t.ok(pieces.length > 1, `in ${String(pieces.length)} pieces`);
  t.ok(
    seen.every((jumps) => jumps === 0),
    'nothing jumps into what is not complete',
  );
  t.equal(jumpsIn(kernel).length, 3);
  t.equal(kernel.list('nat').filter((rule) => rule.includes(' -j DNAT ')).length, 10_000);
  const again = await new IptablesBackend('nft', kernel.run).sync({ settings, services: many() });
  t.equal(again.changes, 0, 'a restarted daemon finds it as it should be');
  t.strictSame(kernel.takeCalls(), ['iptables-nft-save', 'ip6tables-nft-save'], 'and writes nothing');
  const legacy = new FakeXtables();
  await new IptablesBackend('legacy', legacy.run).sync({ settings, services: many() });
  t.strictSame(
    legacy.takeCalls().filter((program) => program === 'iptables-legacy-restore').length,
    1,
    'the legacy interface gets it in one: each call writes the whole table',
  );
  t.strictSame(legacy.list('nat').sort(), kernel.list('nat').sort(), 'the same rules');
});

t.test(
  'a daemon killed between two pieces leaves nothing that its successor does not put right',
  async (t) => {
    const kernel = new FakeXtables();
    let commits = 0;
    kernel.onCommit = () => {
      if (++commits > 2) throw new Error('killed');
    };
    await t.rejects(new IptablesBackend('nft', kernel.run).sync({ settings, services: many() }), /killed/);
    t.equal(jumpsIn(kernel).length, 0, 'packets meet nothing yet');
    t.ok(kernel.list('nat').length > 1000, 'of the many rules that are there');
    kernel.onCommit = () => undefined;
    const services = mapOf(numbered(1), numbered(2000));
    await new IptablesBackend('nft', kernel.run).sync({ settings, services });
    const fresh = new FakeXtables();
    await new IptablesBackend('nft', fresh.run).sync({ settings, services });
    t.strictSame(kernel.list('nat').sort(), fresh.list('nat').sort());
  },
);

t.test('one change is one call with one leaf', async (t) => {
  const kernel = new FakeXtables();
  const backend = new IptablesBackend('nft', kernel.run);
  const services = many();
  await backend.sync({ settings, services });
  kernel.takeCalls();
  const changed = numbered(300, 3);
  services.set(changed.key, changed);
  await backend.sync({ settings, services }, new Set([changed.key]));
  const [call] = kernel.calls;
  t.strictSame(kernel.takeCalls(), ['iptables-nft-restore'], 'nothing is read, and IPv6 is left alone');
  const lines = call?.input.split('\n') ?? [];
  t.strictSame(
    lines.filter((line) => line.startsWith('*')),
    ['*nat'],
  );
  t.equal(lines.filter((line) => line.startsWith(':')).length, 1);
  t.ok(lines.length <= 8 * 4 + 4, `${String(lines.length)} lines`);
  await backend.sync({ settings, services }, new Set([changed.key]));
  t.strictSame(kernel.takeCalls(), [], 'no change, no call');
});

t.test('a node that comes changes the chain that names nodes, and nothing else is looked at', async (t) => {
  const kernel = new FakeXtables();
  const backend = new IptablesBackend('nft', kernel.run);
  const services = mapOf(numbered(1));
  await backend.sync({ settings, services });
  kernel.takeCalls();
  const grown = { ...settings, nodeIPs: [...settings.nodeIPs, '192.0.2.99'] };
  t.equal((await backend.sync({ settings: grown, services }, new Set())).changes, 1);
  t.match(kernel.rules('nat', 'WEFT-LEAVING')?.join('\n'), /-d 192\.0\.2\.99\/32 -j RETURN/);
  t.strictSame(kernel.takeCalls(), ['iptables-nft-restore']);
  const wider = { ...grown, serviceCIDRs: ['10.97.0.0/16'] };
  await backend.sync({ settings: wider, services }, new Set());
  const fresh = new FakeXtables();
  await new IptablesBackend('nft', fresh.run).sync({ settings: wider, services });
  for (const table of ['nat', 'filter']) {
    t.strictSame(kernel.list(table).sort(), fresh.list(table).sort(), `${table}: other settings change more`);
  }
});

t.test('a Service that is refused is known by the line that was', async (t) => {
  const kernel = new FakeXtables();
  const backend = new IptablesBackend('nft', kernel.run);
  const services = many();
  for (const n of [7, 120]) services.set(`ns/s${String(n)}`, numbered(n, 2, 70_000));
  const { refused } = await backend.sync({ settings, services });
  t.strictSame([...refused.keys()].sort(), ['ns/s120', 'ns/s7']);
  t.equal(kernel.list('nat').filter((rule) => rule.includes(' -j DNAT ')).length, 4 * 2498);
  const longest = Math.max(...kernel.calls.map(({ input }) => input.length));
  t.ok(longest < 1_500_000, `what was made ahead is not sent again all in one: ${String(longest)}`);
  const calls = kernel.takeCalls();
  t.ok(calls.length < 16, `${String(calls.length)} calls`);
  t.equal(
    calls.filter((program) => program === 'iptables-nft-save').length,
    1,
    'nothing has to be read again',
  );
  t.equal((await backend.sync({ settings, services })).refused.size, 2, 'they are tried again');
  for (const n of [7, 120]) services.set(`ns/s${String(n)}`, numbered(n));
  t.equal((await backend.sync({ settings, services })).refused.size, 0);
  const fresh = new FakeXtables();
  await new IptablesBackend('nft', fresh.run).sync({ settings, services });
  t.strictSame(
    kernel.list('nat').sort(),
    fresh.list('nat').sort(),
    'and the kernel holds what a new one would',
  );
});

t.test('a refusal leaves alone what was accepted before it', async (t) => {
  const kernel = new FakeXtables();
  const backend = new IptablesBackend('legacy', kernel.run);
  const services = mapOf(numbered(1));
  await backend.sync({ settings, services });
  kernel.takeCalls();
  // Its rule in the filter table is fine, the one in the nat table is not.
  const bad = service(
    'ns/bad',
    { address: '198.51.100.1', endpoints: [] },
    { address: '198.51.100.2', endpoints: endpoints(1, 70_000) },
  );
  services.set(bad.key, bad);
  const { refused } = await backend.sync({ settings, services }, new Set([bad.key]));
  t.strictSame([...refused.keys()], ['ns/bad']);
  t.notMatch(kernel.list('filter').join('\n'), /ns\/bad/, 'nothing of it stays, in no table');
  t.notMatch(kernel.list('nat').join('\n'), /ns\/bad/);
  t.notOk(kernel.takeCalls().includes('iptables-legacy-save'), 'which is known without reading');
  t.equal(
    (await new IptablesBackend('legacy', kernel.run).sync({ settings, services: mapOf(numbered(1)) }))
      .changes,
    0,
  );
});

t.test(
  'while it is looked for who is refused, what an earlier process wrote for the others stands',
  async (t) => {
    const kernel = new FakeXtables();
    const services = mapOf(...Array.from({ length: 200 }, (_, n) => numbered(n)));
    await new IptablesBackend('legacy', kernel.run).sync({ settings, services });
    const others = [...services.keys()].filter((key) => key !== 'ns/s120');
    // A kernel without the match, which says only that it does not take the table.
    kernel.onCommit = (line) => {
      const lines = kernel.calls.at(-1)?.input.split('\n').slice(0, line) ?? [];
      const table = lines.slice(lines.findLastIndex((each) => each.startsWith('*')));
      if (!table.some((each) => each.includes('-m sctp'))) return;
      throw new RulesError('REFUSED', `iptables-restore: line ${String(line)} failed`);
    };
    let lacking = 0;
    const restarted = new IptablesBackend('legacy', async (...call) => {
      const answer = await kernel.run(...call);
      const rules = kernel.list('nat').join('\n');
      lacking += others.filter((key) => !rules.includes(`${key}:`)).length;
      return answer;
    });
    services.set(
      'ns/s120',
      service(
        'ns/s120',
        { address: '10.96.0.120', protocol: 'sctp' },
        { protocol: 'sctp', port: 30_000, outside: [] },
      ),
    );
    const { refused } = await restarted.sync({ settings, services });
    t.strictSame([...refused.keys()], ['ns/s120']);
    t.equal(lacking, 0);
    t.notMatch(kernel.list('nat').join('\n'), /-m sctp/);
    for (const table of ['nat', 'filter']) t.equal(kernel.rules(table, 'WEFT-PROBE'), undefined);
    services.delete('ns/s120');
    t.equal(
      (await restarted.sync({ settings, services })).refused.size,
      0,
      'one that is gone is not refused',
    );
  },
);

t.test('a refusal that is no Service’s fault takes no rules away', async (t) => {
  const kernel = new FakeXtables();
  const services = mapOf(numbered(1), numbered(2));
  await new IptablesBackend('legacy', kernel.run).sync({ settings, services });
  const before = kernel.list('nat');
  services.set('ns/s3', numbered(3));
  kernel.onCommit = (line) => {
    const probes = kernel.calls.at(-1)?.input.includes('WEFT-PROBE') ?? false;
    if (!probes) throw new RulesError('REFUSED', `iptables-restore: line ${String(line)} failed`);
  };
  const restarted = new IptablesBackend('legacy', kernel.run);
  await t.rejects(restarted.sync({ settings, services }), { code: 'BUSY' });
  t.strictSame(kernel.list('nat'), before);
});

t.test('somebody who knows of no lock changes the table at the same moment', async (t) => {
  const kernel = new FakeXtables();
  const backend = new IptablesBackend('legacy', kernel.run);
  let conflicts = 2;
  kernel.onCommit = (line) => {
    if (conflicts-- > 0) throw new RulesError('REFUSED', `iptables-restore: line ${String(line)} failed`);
  };
  const services = mapOf(numbered(1), numbered(2));
  t.equal((await backend.sync({ settings, services })).refused.size, 0, 'no Service is blamed');
  t.equal(jumpsIn(kernel).length, 3, 'each jump is there once');
  conflicts = Infinity;
  services.set('ns/s3', numbered(3));
  const { refused } = await backend.sync({ settings, services }, new Set(['ns/s3']));
  t.strictSame([...refused.keys()], ['ns/s3'], 'where that does not end, the change is reported as refused');
  conflicts = 0;
  t.equal((await backend.sync({ settings, services })).refused.size, 0);
  t.match(kernel.list('nat').join('\n'), /ns\/s3/, 'it goes in when the table is free');
});

t.test('somebody holds the lock', async (t) => {
  const kernel = new FakeXtables();
  const backend = new IptablesBackend('legacy', kernel.run);
  kernel.onCommit = () => {
    throw new RulesError('BUSY', 'Another app is currently holding the xtables lock.');
  };
  const services = mapOf(numbered(1), numbered(2));
  await t.rejects(backend.sync({ settings, services }), { code: 'BUSY' });
  t.equal(kernel.takeCalls().filter((program) => program.endsWith('restore')).length, 1, 'nobody is blamed');
  kernel.onCommit = () => undefined;
  t.equal((await backend.sync({ settings, services })).refused.size, 0);
  t.match(kernel.list('nat').join('\n'), /ns\/s2/);
});

t.test('a jump that somebody took out is no reason to refuse a Service', async (t) => {
  const kernel = new FakeXtables();
  const backend = new IptablesBackend('nft', kernel.run);
  const services = mapOf(numbered(1));
  await backend.sync({ settings, services });
  await kernel.run('iptables-nft-restore', [], '*nat\n:WEFT-VIP - [0:0]\nCOMMIT\n');
  services.set('ns/s2', numbered(2));
  t.equal((await backend.sync({ settings, services })).refused.size, 0);
  t.equal(kernel.rules('nat', 'WEFT-VIP')?.length, 4);
});

t.test('every rule that rewrites a destination names its Service', async (t) => {
  const kernel = new FakeXtables();
  const address = '198.51.100.7';
  const services = mapOf(
    service('ns/plain', { address: '10.96.0.1' }),
    service('ns/sticky', { address: '10.96.0.2', affinitySeconds: 60 }),
    service('ns/big', { address: '10.96.0.3', endpoints: endpoints(12) }),
    service('ns/local', { kind: 'loadBalancer', address, outside: endpoints(1) }),
    service('ns/ranges', { kind: 'loadBalancer', address, port: 81, sourceRanges: ['192.0.2.0/24'] }),
    service('ns/port', { kind: 'nodePort', port: 30_001 }),
  );
  await new IptablesBackend('nft', kernel.run).sync({ settings, services });
  const rules = kernel.list('nat').filter((rule) => rule.includes(' -j DNAT '));
  for (const key of services.keys()) {
    t.ok(
      rules.some((rule) => rule.includes(`"${key}:http"`)),
      key,
    );
  }
  t.strictSame(
    rules.filter((rule) => !/ --comment "ns\/[a-z]+:http" /.test(rule)),
    [],
    'none is without a name',
  );
});

for (const lacking of ['socket', 'recent']) {
  t.test(
    `a kernel without the match ${lacking} cannot lead DNS queries elsewhere, and says so before`,
    async (t) => {
      const kernel = new FakeXtables();
      const backend = new IptablesBackend('legacy', kernel.run);
      t.equal(await backend.findsSockets(), true);
      kernel.onCommit = () => {
        if (kernel.calls.at(-1)?.input.includes(`-m ${lacking} `)) {
          throw new RulesError('REFUSED', `iptables-restore: Couldn't load match \`${lacking}'`);
        }
      };
      t.equal(await backend.findsSockets(), false);
      t.equal(kernel.rules('raw', 'WEFT-PROBE'), undefined);
    },
  );
}
