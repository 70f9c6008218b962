import { createHash, randomBytes } from 'node:crypto';
import { createServer, request } from 'node:https';
import { join } from 'node:path';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Test } from 'tap';
import t from 'tap';
import { nodes, pods } from '../../../api/client/resources.ts';
import { Authority } from '../../../api/server/authority.ts';
import { startServer } from './fixture.ts';
import type { Fixture } from './fixture.ts';
import { pod } from './objects.ts';

interface Seen {
  readonly url: string;
  readonly method: string;
  readonly user: string;
}

/** A node whose agent answers logs, and echoes whatever an upgraded connection sends. */
async function startNode(t: Test, { client, stateDir }: Fixture): Promise<Seen[]> {
  const seen: Seen[] = [];
  const authority = await Authority.open(join(stateDir, 'pki'));
  const names = ['127.0.0.1'];
  const pair = await authority.issue({ user: 'system:node:node1', groups: ['system:nodes'], names });
  const agent = createServer({
    ca: authority.certificate,
    cert: pair.certificate,
    key: pair.key,
    requestCert: true,
    rejectUnauthorized: true,
  });
  const note = (incoming: IncomingMessage) => {
    const { socket, url = '', method = '' } = incoming;
    const user = socket instanceof TLSSocket ? socket.getPeerCertificate().subject.CN : undefined;
    seen.push({ url, method, user: String(user) });
  };
  agent.on('request', (incoming, response) => {
    note(incoming);
    response.writeHead(200, { 'Content-Type': 'text/plain' });
    response.write('first\n');
    if (!incoming.url?.includes('follow')) response.end('last\n');
  });
  agent.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    note(incoming);
    if (incoming.url?.includes('refuse')) {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
      return;
    }
    const protocol = incoming.headers.upgrade ?? '';
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
    socket.write(head);
    socket.pipe(socket);
    socket.on('error', () => socket.destroy());
  });
  agent.listen(0, '127.0.0.1');
  await once(agent, 'listening');
  t.teardown(() => {
    agent.closeAllConnections();
    agent.close();
  });
  const { port } = agent.address() as { port: number };
  await client.create(nodes, { metadata: { name: 'node1' } });
  const status = {
    addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
  };
  await client.patchStatus(nodes, { name: 'node1' }, { status }, 'merge');
  return seen;
}

function send(
  { server }: Fixture,
  path: string,
  options: { method?: string; headers?: Record<string, string> } = {},
) {
  return request(new URL(path, server.loopback.server), { ...server.loopback, agent: false, ...options });
}

async function answer(
  outgoing: ReturnType<typeof send>,
): Promise<{ code: number | undefined; text: string }> {
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { code: response.statusCode, text };
}

const base = '/api/v1/namespaces/default/pods/web';

t.test('logs come from the node, also while they grow', async (t) => {
  const fixture = await startServer(t);
  const seen = await startNode(t, fixture);
  await fixture.client.create(pods, pod('web', { nodeName: 'node1' }));
  t.same(await answer(send(fixture, `${base}/log?tailLines=5`)), { code: 200, text: 'first\nlast\n' });
  t.same(seen, [{ url: '/containerLogs/default/web/main?tailLines=5', method: 'GET', user: 'weft-server' }]);

  const follow = send(fixture, `${base}/log?follow=true`);
  follow.end();
  const [response] = (await once(follow, 'response')) as [IncomingMessage];
  const [chunk] = (await once(response, 'data')) as [Buffer];
  t.equal(chunk.toString(), 'first\n', 'before the answer ends');
  response.destroy();
});

t.test('upgraded connections pass every byte both ways', async (t) => {
  const fixture = await startServer(t);
  const seen = await startNode(t, fixture);
  await fixture.client.create(pods, pod('web', { nodeName: 'node1' }));
  for (const [method, protocol, size] of [
    ['POST', 'SPDY/3.1', 20_000_000],
    ['GET', 'websocket', 100_000],
  ] as const) {
    const headers = { Connection: 'Upgrade', Upgrade: protocol };
    const outgoing = send(fixture, `${base}/exec?command=cat&command=-&stdin=true`, { method, headers });
    outgoing.end();
    const [response, socket] = (await once(outgoing, 'upgrade')) as [IncomingMessage, Duplex];
    t.match(response, { statusCode: 101, headers: { upgrade: protocol } });
    t.match(seen.at(-1), { method, url: '/exec/default/web/main?command=cat&command=-&stdin=true' });
    const payload = randomBytes(size);
    const hash = createHash('sha256');
    let received = 0;
    socket.write(payload);
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      hash.update(chunk);
      received += chunk.length;
      if (received >= size) break;
    }
    t.equal(received, size);
    t.equal(hash.digest('hex'), createHash('sha256').update(payload).digest('hex'));
    socket.destroy();
  }
});

t.test('refusals come as any other answer', async (t) => {
  const fixture = await startServer(t);
  await startNode(t, fixture);
  const { client } = fixture;
  await client.create(pods, pod('web', { nodeName: 'node1' }));
  await client.create(pods, pod('loose'));
  const two = [
    { name: 'a', image: 'x' },
    { name: 'b', image: 'x' },
  ];
  await client.create(pods, pod('two', { nodeName: 'node1', containers: two }));
  await client.create(pods, pod('lost', { nodeName: 'node2' }));
  const headers = { Connection: 'Upgrade', Upgrade: 'SPDY/3.1' };
  const exec = (name: string, query = 'command=x&stdout=true') =>
    answer(
      send(fixture, `/api/v1/namespaces/default/pods/${name}/exec?${query}`, { method: 'POST', headers }),
    );
  t.match(await exec('nobody'), { code: 404, text: /pods \\"nobody\\" not found/ });
  t.match(await exec('loose'), { code: 400, text: /pod loose does not have a host assigned/ });
  t.match(await exec('two'), {
    code: 400,
    text: /a container name must be specified for pod two, choose one of: \[a b\]/,
  });
  t.match(await exec('two', 'container=c'), { code: 400, text: /container c is not valid for pod two/ });
  t.match(await exec('lost'), { code: 404, text: /nodes \\"node2\\" not found/ });
  t.same(await exec('web', 'command=refuse'), { code: 403, text: 'no' }, 'the node’s own refusal');
  t.match(await answer(send(fixture, `${base}/exec?command=x`, { method: 'POST' })), {
    code: 400,
    text: /Upgrade request required/,
  });
});

t.test('logs that cannot be asked for so, and those of a pod without a node', async (t) => {
  const fixture = await startServer(t);
  await startNode(t, fixture);
  await fixture.client.create(pods, pod('web', { nodeName: 'node1' }));
  await fixture.client.create(pods, pod('loose'));
  t.same(await answer(send(fixture, '/api/v1/namespaces/default/pods/loose/log')), { code: 200, text: '' });
  const refusals: [string, RegExp][] = [
    [
      'tailLines=-1',
      /PodLogOptions \\"web\\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0/,
    ],
    ['limitBytes=0', /limitBytes: Invalid value: 0: must be greater than 0/],
    ['sinceSeconds=many', /sinceSeconds: Invalid value: \\"many\\"/],
    ['sinceTime=yesterday', /sinceTime: Invalid value: \\"yesterday\\"/],
    ['sinceSeconds=5&sinceTime=2026-01-01T00:00:00Z', /at most one of `sinceTime` or `sinceSeconds`/],
  ];
  for (const [query, text] of refusals)
    t.match(await answer(send(fixture, `${base}/log?${query}`)), { code: 422, text }, query);
});
