import { once } from 'node:events';
import { connect } from 'node:tls';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { namespaces, pods, services } from '../../../../api/client/resources.ts';
import { ask, json } from '../ask.ts';
import { startServer } from '../fixture.ts';
import type { Fixture } from '../fixture.ts';
import { pod, service } from '../objects.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const yaml = { 'content-type': 'application/yaml' };

/** The first line of what a request's bytes are answered with, by somebody without a certificate. */
async function statusLine({ server }: Fixture, target: string): Promise<string> {
  const { host, port } = server.address;
  const socket = connect({ host, port, ca: server.loopback.ca });
  await once(socket, 'secureConnect');
  socket.end(`GET ${target} HTTP/1.1\r\nHost: weft\r\nConnection: close\r\n\r\n`);
  return (await text(socket)).split('\r\n')[0] ?? '';
}

t.test('a request target that is no path is refused, and the server lives', async (t) => {
  const fixture = await startServer(t);
  t.equal(await statusLine(fixture, 'http://['), 'HTTP/1.1 400 Bad Request');
  t.equal(await statusLine(fixture, '//'), 'HTTP/1.1 403 Forbidden');
  t.equal(await statusLine(fixture, '//a:b/livez'), 'HTTP/1.1 403 Forbidden');
  t.equal(await statusLine(fixture, 'https://weft/livez'), 'HTTP/1.1 200 OK');
});

t.test('names that every JavaScript object has mean nothing', async (t) => {
  const fixture = await startServer(t);
  await fixture.client.create(pods, pod('web'));
  for (const method of ['GET', 'POST', 'BIND']) {
    const answer = await ask(fixture, '/api/v1/namespaces/default/pods/web/constructor', { method });
    t.equal(answer.code, 404, method);
  }
  t.match(json(await ask(fixture, '/api/v1/pods?labelSelector=constructor')), { items: [] });
  t.match(json(await ask(fixture, '/api/v1/pods?labelSelector=!constructor')), { items: [{}] });
});

t.test('bodies that no walk would survive are refused', async (t) => {
  const fixture = await startServer(t);
  const nested = (depth: number) => `${'{"f:a":'.repeat(depth)}{}${'}'.repeat(depth)}`;
  const entry = `{"manager":"x","operation":"Update","apiVersion":"v1","fieldsV1":${nested(100_000)}}`;
  const bodies: [string, string, Record<string, string>?][] = [
    ['what is free in form', `{"metadata":{"name":"a","managedFields":[${entry}]}}`],
    ['fields nobody knows', `{"metadata":{"name":"a"},"x":${nested(100_000)}}`],
    ['lists', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['an alias of what it is in', 'metadata: &x\n  labels: *x\n', yaml],
    ['an alias of nothing', 'metadata: *x\n', yaml],
    ['aliases of aliases', aliasBomb(), yaml],
  ];
  for (const [what, body, headers = {}] of bodies) {
    const answer = await ask(fixture, configMaps, { method: 'POST', body, headers });
    t.equal(answer.code, 400, what);
    t.match(json(answer), { reason: 'BadRequest' }, what);
  }
});

/** Nine names, each for nine of the one before. */
function aliasBomb(): string {
  const names = 'abcdefghi'.split('');
  const lines = names.map((name, i) => {
    const before = i === 0 ? 'x' : `*${names[i - 1] ?? ''}`;
    return `${name}: &${name} [${Array(9).fill(before).join(',')}]`;
  });
  return lines.join('\n');
}

t.test('warnings are headers that clients take, whatever they are about', async (t) => {
  const fixture = await startServer(t);
  const create = async (name: string, fields: object) => {
    const body = JSON.stringify({ metadata: { name }, ...fields });
    const { code, headers } = await ask(fixture, configMaps, { method: 'POST', body });
    t.equal(code, 201);
    return Buffer.from(String(headers.warning), 'latin1').toString();
  };
  t.equal(await create('words', { ключ: 1 }), '299 - "unknown field \\"ключ\\""');
  t.equal(await create('controls', { 'a\u0000\nb': 1 }), '299 - "unknown field \\"a b\\""');
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`field${i}`, 1]));
  const warning = await create('many', many);
  t.match(warning, /^299 - "unknown field \\"field0\\"", 299/);
  t.ok(warning.length < 8192, `${warning.length} characters`);
});

t.test('paths that nobody serves make no time series', async (t) => {
  const fixture = await startServer(t);
  await ask(fixture, '/apis/invented.example/v1/things/a/part');
  await ask(fixture, '/api/v1/namespaces/default/pods/a/invented');
  await ask(fixture, '/api/v1/namespaces/default/pods/a/status');
  const metrics = (await ask(fixture, '/metrics')).body.toString();
  t.notMatch(metrics, /invented|things/);
  t.match(
    metrics,
    'apiserver_request_total{verb="GET",group="",resource="pods",subresource="status",code="404"} 1',
  );
});

t.test('a namespace that is finalized for show stays', async (t) => {
  const fixture = await startServer(t);
  const { client } = fixture;
  await client.create(namespaces, { metadata: { name: 'held' } });
  const body = JSON.stringify({ metadata: { name: 'held' }, spec: { finalizers: [] } });
  const put = { method: 'PUT', body };
  t.equal((await ask(fixture, '/api/v1/namespaces/held/finalize?dryRun=All', put)).code, 200);
  t.same((await client.get(namespaces, { name: 'held' })).spec?.finalizers, ['kubernetes']);
});

t.test('a port for health checks is no port of the Service itself', async (t) => {
  const { client } = await startServer(t);
  const create = client.create(services, {
    ...service('web'),
    spec: {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 30_002,
      ports: [{ port: 80, nodePort: 30_002 }],
    },
  });
  await t.rejects(create, { code: 422, message: /healthCheckNodePort: .*already allocated/ });
});

t.test('what is made without saying its kind comes back with it', async (t) => {
  const fixture = await startServer(t);
  const answer = await ask(fixture, configMaps, { method: 'POST', body: '{"metadata":{"name":"a"}}' });
  t.match(json(answer), { kind: 'ConfigMap', apiVersion: 'v1' });
});
