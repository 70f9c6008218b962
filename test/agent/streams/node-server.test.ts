import { request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { PassThrough, Readable } from 'node:stream';
import pino from 'pino';
import t from 'tap';
import { NodeServer } from '../../../agent/streams/node-server.ts';
import type { AgentConfig } from '../../../agent/config/config.ts';
import { parseStreamRequest } from '../../../agent/streams/stream-request.ts';
import { Authority } from '../../../api/server/authority.ts';
import type { KeyPair } from '../../../api/server/authority.ts';
import { eventually } from '../../api/eventually.ts';
import { startNode } from './fixture.ts';
import type { NodeFixture } from './fixture.ts';

function get(node: NodeFixture, path: string, client?: KeyPair): Promise<IncomingMessage> {
  const { host, port, ca, master } = node;
  const { certificate: cert, key } = client ?? master;
  return new Promise((resolve, reject) => {
    request({ host, port, ca, cert, key, path, agent: false }, resolve).on('error', reject).end();
  });
}

async function body(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

t.test('requests are read as kubelet reads them', (t) => {
  t.same(parseStreamRequest('/exec/ns/web/main?command=sh&command=-c&stdin=1&tty=true'), {
    verb: 'exec',
    container: { namespace: 'ns', pod: 'web', container: 'main' },
    command: ['sh', '-c'],
    wanted: { stdin: true, stdout: false, stderr: false, tty: true },
  });
  t.match(parseStreamRequest('/attach/ns/web/main?stdout=true&stdin=false&stderr=0'), {
    wanted: { stdin: false, stdout: true, stderr: false, tty: false },
  });
  t.same(
    parseStreamRequest('/containerLogs/ns/web/main?follow=true&tailLines=0&limitBytes=5&timestamps=true'),
    {
      verb: 'logs',
      container: { namespace: 'ns', pod: 'web', container: 'main' },
      options: { follow: true, previous: false, timestamps: true, tailLines: 0, limitBytes: 5 },
    },
  );
  t.match(parseStreamRequest('/containerLogs/ns/web/main?sinceTime=2026-01-01T00:00:00Z&sinceSeconds=3'), {
    options: { sinceTime: '2026-01-01T00:00:00Z', sinceSeconds: 3 },
  });
  t.same(parseStreamRequest('/healthz'), { verb: 'healthz' });
  for (const [target, code] of [
    ['/', 404],
    ['/exec/ns/web', 404],
    ['/exec/ns/web/main/more?command=x&stdout=1', 404],
    ['/runningpods/ns/web/main', 404],
    ['/containerLogs/ns/web/main?tailLines=-1', 400],
    ['/containerLogs/ns/web/main?tailLines=many', 400],
    ['/containerLogs/ns/web/main?limitBytes=0', 400],
    ['/containerLogs/ns/web/main?sinceTime=yesterday', 400],
    ['/exec/ns/%ff/main?command=x&stdout=1', 400],
  ] as const) {
    t.throws(() => parseStreamRequest(target), { code }, target);
  }
  t.end();
});

t.test('the node’s server', async (t) => {
  const node = await startNode(t, t.testdir());

  t.test('lets only masters of the cluster in', async (t) => {
    t.equal(await body(await get(node, '/healthz')), 'ok');
    const peer = await node.authority.issue({
      user: 'system:node:node2',
      groups: ['system:nodes'],
      names: [],
    });
    const refused = await get(node, '/containerLogs/default/web/main', peer);
    t.equal(refused.statusCode, 403);
    t.match(JSON.parse(await body(refused)), { kind: 'Status', reason: 'Forbidden', code: 403 });
    const stranger = await Authority.open(t.testdir());
    const forged = await stranger.issue({ user: 'weft-server', groups: ['system:masters'], names: [] });
    await t.rejects(get(node, '/healthz', forged), 'signed by another CA');
  });

  t.test('logs', async (t) => {
    const response = await get(node, '/containerLogs/default/web/main?tailLines=2');
    t.equal(response.headers['content-type'], 'text/plain; charset=utf-8');
    t.equal(await body(response), 'one\ntwo\n');
    t.same(node.processes.logRequests.at(-1), {
      follow: false,
      previous: false,
      timestamps: false,
      tailLines: 2,
    });
  });

  t.test('a follow answers at once and ends with its reader', async (t) => {
    const log = new PassThrough();
    node.processes.logText = () => log;
    const response = await get(node, '/containerLogs/default/web/main?follow=true');
    t.equal(response.statusCode, 200);
    log.write('line\n');
    const [chunk] = (await response[Symbol.asyncIterator]()
      .next()
      .then(({ value }) => [value])) as [Buffer];
    t.equal(chunk.toString(), 'line\n');
    response.destroy();
    t.ok(await eventually('the source is let go', () => log.destroyed));
  });

  t.test('a log that breaks ends the answer, not the server', async (t) => {
    node.processes.logText = () =>
      Readable.from(
        (function* () {
          yield 'line\n';
          throw new Error('disk on fire');
        })(),
      );
    await t.rejects(get(node, '/containerLogs/default/web/main').then(body));
    t.equal(await body(await get(node, '/healthz')), 'ok');
  });

  t.test('exec without an upgrade', async (t) => {
    const response = await get(node, '/exec/default/web/main?command=true&stdout=1');
    t.equal(response.statusCode, 400);
    t.match(await body(response), 'needs an upgrade');
  });

  t.test('a port in use is told in one sentence', async (t) => {
    const config = { nodeIPs: ['127.0.0.1'], port: node.port } as unknown as AgentConfig;
    const tls = { cert: node.master.certificate, key: node.master.key, ca: node.ca };
    const second = new NodeServer({ config, log: pino({ level: 'silent' }) }, node.processes, tls);
    t.equal(second.health().ready, false);
    await t.rejects(second.start(), { message: /^127\.0\.0\.1 port \d+ is in use/ });
    t.equal(node.server.health().ready, true);
  });
});
