import t from 'tap';
import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { Service } from '../../api/kinds/service.ts';
import type { Handler } from '../../dns/handler.ts';
import { createZone, handlerOf, setService, slice } from './cluster.ts';
import { ask } from './exchange.ts';

/*
 * Whatever changes in whatever order, and whatever was asked before, a zone answers as a new one does that was only
 * told the end. Few names and addresses, so that Services share addresses, change kind and come again.
 */
const S = 'default.svc.cluster.local';
const NAMES = ['a', 'b', 'c', 'd'];
const ADDRESSES = ['10.244.1.1', '10.244.1.2', '10.244.1.3', 'fd00:10:244::1'];
const QUESTIONS = [
  ...NAMES.flatMap((name) => [`${name}.${S} A`, `${name}.${S} AAAA`, `${name}.${S} SRV`, `${name}.${S} TXT`]),
  ...NAMES.flatMap((name) => [`_http._tcp.${name}.${S} SRV`, `_tcp.${name}.${S} A`, `pod-0.${name}.${S} A`]),
  ...NAMES.flatMap((name) => [`10-244-1-1.${name}.${S} A`, `10-244-1-2.${name}.${S} SRV`]),
  ...[1, 2, 3].map((last) => `${last}.1.244.10.in-addr.arpa PTR`),
  `1.${'0.'.repeat(19)}4.4.2.0.0.1.0.0.0.0.d.f.ip6.arpa PTR`,
];

type State = Map<string, { readonly spec: Service['spec']; readonly slices: readonly EndpointSlice[] }>;

/** Numbers that follow from a seed (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) % below;
  };
}

function randomService(random: (below: number) => number): {
  spec: Service['spec'];
  slices: EndpointSlice[];
} {
  const pick = <T>(values: readonly T[]): T => values[random(values.length)] as T;
  const ports = [{ name: random(3) > 0 ? 'http' : '', port: 80 + random(2) }];
  const kind = random(4);
  if (kind === 0) return { spec: { type: 'ExternalName', externalName: `${pick(NAMES)}.${S}` }, slices: [] };
  if (kind === 1) return { spec: { clusterIP: pick(ADDRESSES), ports }, slices: [] };
  const endpoints = Array.from({ length: random(4) }, () => ({
    addresses: [pick(ADDRESSES.slice(0, 3))],
    conditions: { ready: random(4) > 0 },
    ...(random(2) > 0 ? { hostname: 'pod-0' } : {}),
  }));
  const slices = [slice('IPv4', endpoints), ...(random(2) > 0 ? [slice('IPv6', ['fd00:10:244::1'])] : [])];
  return { spec: { clusterIP: 'None' }, slices };
}

/** What does not depend on the order of changes: of addresses' several names, the newest comes first. */
async function answers(handler: Handler, questions: readonly string[]): Promise<Record<string, object>> {
  const all: Record<string, object> = {};
  for (const question of questions) {
    const [name = '', type = ''] = question.split(' ');
    const { rcode, answer, authority, additional } = await ask(handler, name, type, { edns: 1232 });
    all[question] = { rcode, answer: answer.toSorted(), authority, additional: additional.toSorted() };
  }
  return all;
}

t.test('a zone that changed answers as one that was made so', async (t) => {
  const random = randomFrom(4711);
  const zone = createZone();
  const handler = handlerOf(zone);
  const state: State = new Map();
  for (let round = 0; round < 150; round += 1) {
    for (let changes = random(3); changes >= 0; changes -= 1) {
      const name = NAMES[random(NAMES.length)] ?? '';
      if (random(4) === 0) {
        state.delete(name);
        zone.setService(`default/${name}`, undefined);
      } else {
        const made = randomService(random);
        state.set(name, made);
        setService(zone, name, made.spec, made.slices);
      }
    }
    const fresh = createZone();
    for (const [name, { spec, slices }] of state) setService(fresh, name, spec, slices);
    const questions = QUESTIONS.filter(() => random(2) > 0);
    const found = await answers(handler, questions);
    t.strictSame(found, await answers(handlerOf(fresh), questions), `round ${round}`);
  }
});

t.test('answers that are kept take so much memory and no more', async (t) => {
  // Room for a few answers only: they are forgotten all the time, and stay right.
  const zone = createZone({ maxKnownBytes: 2000 });
  const handler = handlerOf(zone);
  for (const [index, name] of NAMES.entries()) {
    setService(zone, name, { clusterIP: `10.96.0.${index}`, ports: [{ name: 'http', port: 80 }] });
  }
  const first = await answers(handler, QUESTIONS);
  for (let round = 0; round < 3; round += 1) t.strictSame(await answers(handler, QUESTIONS), first);
  setService(zone, 'a', { clusterIP: '10.96.0.9' });
  t.strictSame((await ask(handler, `a.${S}`, 'A')).answer, [`a.${S}. 5 A 10.96.0.9`]);
});
