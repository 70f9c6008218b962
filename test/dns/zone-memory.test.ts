import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { reverseName } from '../../dns/names.ts';
import { namedService, type NamedService } from '../../dns/named-service.ts';
import { createQuery, parseQuery } from '../../dns/question.ts';
import { encodeQuestion } from '../../dns/upstream.ts';
import { TYPE } from '../../dns/wire.ts';
import { createZone, slice } from './cluster.ts';

const SERVICES = 10_000;
const ENDPOINTS = 5;
const MiB = 2 ** 20;

/** As it arrives in another thread: copied. */
function headless(index: number): NamedService {
  const name = `service-${index}`;
  const endpoints = Array.from({ length: ENDPOINTS }, (_, at) => {
    const number = index * ENDPOINTS + at;
    const address = `10.244.${number >> 8}.${number & 255}`;
    return { addresses: [address], ...(index % 2 === 0 ? { hostname: `${name}-${at}` } : {}) };
  });
  const service = { metadata: { name, namespace: 'default' }, spec: { clusterIP: 'None' } };
  return structuredClone(namedService(service, [slice('IPv4', endpoints)]));
}

t.test('10,000 headless Services with 50,000 endpoints, and all of their names asked for', (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = (): number => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = used();
  const zone = createZone();
  for (let index = 0; index < SERVICES; index += 1)
    zone.setService(`default/service-${index}`, headless(index));
  const loaded = used() - before;
  t.ok(loaded < 24 * MiB, `loaded: ${loaded} bytes`);
  const query = createQuery();
  let asked = 0;
  const ask = (name: string, type: number): void => {
    parseQuery(
      encodeQuestion(1, { name, type, dnssecOk: false, checkingDisabled: false }, true),
      'udp',
      query,
    );
    if (zone.lookup(query)?.rcode === 0) asked += 1;
  };
  for (const set of zone.transfer()) {
    const [record] = set;
    if (!record) continue;
    ask(record.name, record.type);
    if (record.type === TYPE.A) ask(reverseName(record.data), TYPE.PTR);
  }
  t.ok(asked > 3 * SERVICES * ENDPOINTS, `${asked} names`);
  // Kept answers weigh 16 MiB at most by their own reckoning.
  const known = used() - before - loaded;
  t.ok(known < 24 * MiB, `known: ${known} bytes`);
  t.equal(zone.lookup(query)?.rcode, 0, 'the zone is still used');
  t.end();
});
