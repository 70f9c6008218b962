import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';

import type { Backend } from '../../iptables/backend.ts';
import { IptablesBackend } from '../../iptables/iptables.ts';
import type { CompiledService, Endpoint, NodeSettings } from '../../iptables/model.ts';
import { skipUnlessRoot } from '../root.ts';
import { addresses, familyNames, TestNetwork } from './network.ts';
import type { FamilyName, Place } from './network.ts';

const settings: NodeSettings = {
  clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
  serviceCIDRs: ['10.96.0.0/16', 'fd00:10:96::/112'],
  dnsIPs: [],
  podCIDRs: ['10.244.1.0/24', 'fd00:10:244:1::/64'],
  nodeIPs: ['192.0.2.1', '2001:db8::1'],
  nodePortAddresses: [],
};

const clients: readonly Place[] = ['node', 'outside', 'peer', 'pod1', 'pod2'];
const vip: Readonly<Record<FamilyName, string>> = { ipv4: '10.96.0.25', ipv6: 'fd00:10:96::25' };
const neighbor: Readonly<Record<FamilyName, string>> = { ipv4: '10.96.0.26', ipv6: 'fd00:10:96::26' };
/** All endpoints stand on one address: who answers is told by the port. */
const ports = [8080, 8081, 8082, 8083, 8084, 8085];

function endpointsAt(family: FamilyName, ...some: number[]): Endpoint[] {
  return some.map((port) => ({ address: addresses[family].far, port, local: false }));
}

function serviceOf(
  family: FamilyName,
  name: string,
  address: string,
  endpoints: readonly Endpoint[],
): CompiledService {
  return {
    key: `default/${name}`,
    created: '',
    problems: [],
    frontends: [
      {
        family,
        protocol: 'tcp',
        kind: 'clusterIP',
        address,
        port: 80,
        name: `default/${name}:http`,
        endpoints,
        whenEmpty: 'reject',
        affinitySeconds: 600,
      },
    ],
  };
}

/** Clients keep their endpoint through everything that leaves it in place, and leave it when it goes. */
async function keepsClients(
  t: Test,
  network: TestNetwork,
  make: () => Backend,
  family: FamilyName,
): Promise<void> {
  let backend = make();
  const services = new Map<string, CompiledService>();
  const put = async (service: CompiledService): Promise<void> => {
    services.set(service.key, service);
    await backend.sync({ settings, services }, new Set([service.key]));
  };
  const ask = async (client: Place): Promise<string> => {
    const answer = await network.ask(client, 'tcp', vip[family], 80);
    return answer.split(' ')[0] ?? '';
  };
  await backend.sync({ settings, services });
  const use = (...some: number[]): Promise<void> =>
    put(serviceOf(family, 'sticky', vip[family], endpointsAt(family, ...some)));
  const [a, b, c, d, e, f] = ports as [number, number, number, number, number, number];
  await use(a, b, c, d);
  const chosen = new Map<Place, string>();
  for (const client of clients) chosen.set(client, await ask(client));
  const keeps = async (what: string): Promise<void> => {
    for (const [client, endpoint] of chosen) {
      // Three in a row: by chance alone one of four endpoints answers them once in 64.
      for (let n = 0; n < 3; n++) t.equal(await ask(client), endpoint, `${client}: ${what}`);
    }
  };
  await keeps('comes back');
  await put(serviceOf(family, 'neighbor', neighbor[family], endpointsAt(family, a)));
  await keeps('a neighbor in its leaf came');
  await backend.sync({ settings, services });
  await keeps('everything was compared');
  await use(e, d, c, b, a);
  await keeps('an endpoint came, and the others changed places');
  await use(a, b, c, d, e, f);
  await keeps('another one came');
  backend = make();
  await backend.sync({ settings, services });
  await keeps('the daemon started anew');
  const gone = chosen.get('node') ?? '';
  await use(...ports.filter((port) => String(port) !== gone));
  for (const [client, endpoint] of chosen) {
    if (endpoint !== gone) continue;
    const answer = await ask(client);
    t.not(answer, gone, `${client}: its endpoint went`);
    chosen.set(client, answer);
  }
  await keeps('one endpoint went');
  await use(...ports);
  await keeps('and came back without its clients');
  await backend.remove();
}

if (skipUnlessRoot(t)) {
  const lockFile = join(tmpdir(), `weft-test-xtables-${String(process.pid)}.lock`);
  process.env['XTABLES_LOCKFILE'] = lockFile;
  const network = await TestNetwork.create('affinity');
  t.teardown(async () => {
    await network[Symbol.asyncDispose]();
    rmSync(lockFile, { force: true });
  });
  for (const family of familyNames) {
    for (const port of ports) await network.serve('peer', String(port), 'tcp', addresses[family].far, port);
  }
  for (const variant of ['nft', 'legacy'] as const) {
    for (const family of familyNames) {
      await t.test(`iptables-${variant}, ${family}`, (t) =>
        keepsClients(t, network, () => new IptablesBackend(variant, network.run), family),
      );
    }
  }
}
