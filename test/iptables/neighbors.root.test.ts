import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import t from 'tap';
import type { Test } from 'tap';

import { runCommand } from '../../iptables/command.ts';
import { IptablesBackend } from '../../iptables/iptables.ts';
import type { CompiledService, NodeSettings } from '../../iptables/model.ts';
import { createNamespace, removeNamespace, runInNamespace } from '../../netns/namespace.ts';
import { skipUnlessRoot } from '../root.ts';

const settings: NodeSettings = {
  clusterCIDRs: ['10.244.0.0/16'],
  serviceCIDRs: ['10.96.0.0/16'],
  dnsIPs: [],
  podCIDRs: ['10.244.1.0/24'],
  nodeIPs: ['192.0.2.1'],
  nodePortAddresses: [],
};

/** Service `ns/s<n>` with endpoints that tell how often it was changed. */
function service(n: number, change: number): CompiledService {
  const key = `ns/s${String(n)}`;
  const endpoints = [2, 3].map((host) => ({
    address: `10.244.${String(host)}.${String(n)}`,
    port: 1000 + change,
    local: false,
  }));
  return {
    key,
    created: '',
    frontends: [
      {
        family: 'ipv4',
        protocol: 'tcp',
        kind: 'clusterIP',
        address: `10.96.0.${String(n)}`,
        port: 80,
        name: `${key}:http`,
        endpoints,
        whenEmpty: 'reject',
      },
    ],
    problems: [],
  };
}

const ports = Array.from({ length: 40 }, (_, n) => String(n + 1));

/** A network namespace in which we and somebody else write rules. */
class Neighborhood implements Disposable {
  readonly #name: string;
  readonly variant: 'nft' | 'legacy';
  readonly lockFile: string;

  constructor(variant: 'nft' | 'legacy') {
    this.variant = variant;
    this.#name = `weft-t-neighbors-${variant}-${String(process.pid)}`;
    this.lockFile = join(tmpdir(), `${this.#name}.lock`);
    createNamespace(this.#name).close();
  }

  within<T>(act: () => T): T {
    return runInNamespace(this.#name, act);
  }

  /** Somebody else adds a rule for each port, one after the other. Returns the ports whose rules were taken. */
  async addOthers(lockFile: string): Promise<string[]> {
    const add = `iptables-${this.variant} -w 10 -t nat -A PREROUTING -p tcp --dport $port -j ACCEPT`;
    const script = `for port in ${ports.join(' ')}; do ${add} && echo $port; done`;
    const env = { XTABLES_LOCKFILE: lockFile };
    const { stdout } = await this.within(() => execa('sh', ['-c', script], { env, reject: false }));
    return stdout.split('\n').filter(Boolean);
  }

  async list(): Promise<string[]> {
    const { stdout } = await this.within(() => execa(`iptables-${this.variant}`, ['-t', 'nat', '-S']));
    return stdout.split('\n');
  }

  [Symbol.dispose](): void {
    removeNamespace(this.#name);
    rmSync(this.lockFile, { force: true });
    rmSync(`${this.lockFile}-of-others`, { force: true });
  }
}

/** We change Services one by one while somebody else adds rules; both find all that is theirs. */
async function sharesTable(t: Test, place: Neighborhood, lockFile: string): Promise<void> {
  process.env['XTABLES_LOCKFILE'] = place.lockFile;
  const backend = new IptablesBackend(place.variant, (program, args, input) =>
    place.within(() => runCommand(program, args, input)),
  );
  const services = new Map<string, CompiledService>();
  const put = async (n: number, change: number): Promise<void> => {
    const one = service(n, change);
    services.set(one.key, one);
    const { refused } = await backend.sync({ settings, services }, new Set([one.key]));
    if (lockFile === place.lockFile) t.strictSame([...refused.keys()], [], `${one.key} was programmed`);
  };
  for (let n = 1; n <= 10; n++) await put(n, 0);
  const others = place.addOthers(lockFile);
  for (let n = 1; n <= 30; n++) await put(1 + (n % 10), n);
  const taken = await others;
  if (lockFile === place.lockFile) t.strictSame(taken, ports, 'nobody was kept from adding rules');
  t.strictSame([...(await backend.sync({ settings, services })).refused.keys()], []);
  const rules = await place.list();
  t.strictSame(
    rules.flatMap((rule) => /^-A PREROUTING .*--dport (\d+) -j ACCEPT$/.exec(rule)?.[1] ?? []),
    taken,
    'every rule that was taken from somebody else stands',
  );
  for (const { key, frontends } of services.values()) {
    const found = rules.filter((rule) => rule.includes(`"${key}:`));
    t.strictSame(
      found.map((rule) => / --to-destination (\S+)$/.exec(rule)?.[1]),
      frontends[0]?.endpoints.map(({ address, port }) => `${address}:${String(port)}`),
      `grep ${key} finds its endpoints as they are now`,
    );
  }
  t.equal((await backend.sync({ settings, services })).changes, 0);
  await backend.remove();
}

if (skipUnlessRoot(t)) {
  for (const variant of ['nft', 'legacy'] as const) {
    await t.test(`iptables-${variant} beside others`, async (t) => {
      using place = new Neighborhood(variant);
      await sharesTable(t, place, place.lockFile);
    });
  }
  await t.test('iptables-legacy beside others who do not know of our lock', async (t) => {
    using place = new Neighborhood('legacy');
    await sharesTable(t, place, `${place.lockFile}-of-others`);
  });
  await t.test('somebody holds the lock for a while', async (t) => {
    using place = new Neighborhood('legacy');
    process.env['XTABLES_LOCKFILE'] = place.lockFile;
    const holder = execa('flock', [place.lockFile, 'sh', '-c', 'echo held; sleep 0.5']);
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    const services = new Map([['ns/s1', service(1, 0)]]);
    const backend = new IptablesBackend('legacy', (program, args, input) =>
      place.within(() => runCommand(program, args, input)),
    );
    const { refused } = await backend.sync({ settings, services });
    t.strictSame([...refused.keys()], []);
    t.match((await place.list()).join('\n'), /ns\/s1/, 'it is waited for');
    await holder;
  });
}
