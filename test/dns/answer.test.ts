import t from 'tap';
import { ask } from './exchange.ts';
import { createZone, handlerOf, setService, slice } from './cluster.ts';

const NAME = 'many.default.svc.cluster.local';

/** A headless Service with this many endpoints. */
function handlerWith(endpoints: number) {
  const zone = createZone();
  const addresses = Array.from({ length: endpoints }, (_, index) => `10.244.${index >> 8}.${index & 255}`);
  setService(zone, 'many', { clusterIP: 'None' }, [slice('IPv4', addresses)]);
  return handlerOf(zone);
}

t.test('an answer never exceeds what the client takes; TC says that there is more', async (t) => {
  const table: [endpoints: number, edns: number | undefined, truncated: boolean][] = [
    // 12 bytes of header, 36 of question, 16 for each address, 11 of OPT.
    [29, undefined, false],
    [30, undefined, true],
    [28, 512, false],
    [29, 512, true],
    [73, 1232, false],
    [74, 1232, true],
    [74, 4096, true],
  ];
  for (const [endpoints, edns, truncated] of table) {
    const reply = await ask(handlerWith(endpoints), NAME, 'A', edns === undefined ? {} : { edns });
    const what = `${endpoints} addresses for a client that takes ${edns ?? 'no EDNS'}`;
    const limit = Math.min(Math.max(edns ?? 512, 512), 1232);
    t.equal(reply.flags.includes('tc'), truncated, what);
    t.ok(reply.bytes <= limit, what);
    t.equal(reply.edns, edns === undefined ? undefined : 1232);
    const fits = Math.floor((limit - 48 - (edns === undefined ? 0 : 11)) / 16);
    t.equal(
      reply.answer.length,
      Math.min(endpoints, fits),
      'as many as fit: some clients never ask over TCP',
    );
  }
});

t.test('over TCP all come, in rotated order', async (t) => {
  const handler = handlerWith(1000);
  const first = await ask(handler, NAME, 'A', { protocol: 'tcp' });
  const second = await ask(handler, NAME, 'A', { protocol: 'tcp' });
  t.equal(first.answer.length, 1000);
  t.strictSame(second.answer, [...first.answer.slice(1), ...first.answer.slice(0, 1)]);
});

t.test('cut answers are rotated too, so that each address is heard of', async (t) => {
  const handler = handlerWith(100);
  const heard = new Set<string>();
  for (let round = 0; round < 100; round += 1) {
    for (const line of (await ask(handler, NAME, 'A')).answer) heard.add(line);
  }
  t.equal(heard.size, 100);
});

t.test('additional records that do not fit are left out without a word', async (t) => {
  const reply = await ask(handlerWith(6), `_http._tcp.${NAME}`, 'SRV');
  t.equal(reply.answer.length, 6);
  t.ok(reply.additional.length < 6);
  t.notOk(reply.flags.includes('tc'));
});

t.test('records of different length keep their bounds when rotated', async (t) => {
  const zone = createZone();
  const endpoints = ['a', 'much-longer', 'mid'].map((hostname, index) => ({
    hostname,
    addresses: [`10.244.0.${index}`],
  }));
  setService(zone, 'many', { clusterIP: 'None' }, [slice('IPv4', endpoints)]);
  const handler = handlerOf(zone);
  const seen = new Set<string>();
  for (let round = 0; round < 3; round += 1) {
    const reply = await ask(handler, NAME, 'SRV', { edns: 1232 });
    t.strictSame(
      [...reply.answer].sort(),
      ['a', 'mid', 'much-longer'].map((host) => `${NAME}. 5 SRV 0 33 8080 ${host}.${NAME}.`),
    );
    t.strictSame(
      reply.additional,
      endpoints.map(({ hostname, addresses }) => `${hostname}.${NAME}. 5 A ${addresses.join()}`),
    );
    seen.add(reply.answer[0] ?? '');
  }
  t.equal(seen.size, 3);
});

t.test('more records than any message holds', async (t) => {
  const reply = await ask(handlerWith(6000), NAME, 'SRV', { protocol: 'tcp' });
  t.ok(reply.bytes <= 65535);
  t.ok(reply.answer.length > 500);
  t.ok(reply.flags.includes('tc'));
});
