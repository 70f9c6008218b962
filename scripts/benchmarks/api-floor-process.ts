/**
 * The least a Node.js server can do for the same work: the same TLS, no API. Creates are read, committed to SQLite
 * (those that arrive together in one transaction, with fsync) and echoed; pages and watch events are bytes made before.
 * Usage: api-floor-process.ts DIRECTORY PAGE_BYTES PAGES, where DIRECTORY holds ca.crt, server.crt and server.key. Sends
 * its parent the port.
 */
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const [directory = '', pageBytes = '0', pages = '0'] = process.argv.slice(2);
const database = new DatabaseSync(path.join(directory, 'floor.db'));
database.exec(
  'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE objects (value TEXT) STRICT',
);
const insert = database.prepare('INSERT INTO objects VALUES (?)');
let waiting: { readonly body: string; readonly response: ServerResponse }[] = [];

function commit(): void {
  const batch = waiting;
  waiting = [];
  database.exec('BEGIN IMMEDIATE');
  for (const { body } of batch) insert.run(body);
  database.exec('COMMIT');
  for (const { body, response } of batch) answer(response, Buffer.from(body));
}

function answer(response: ServerResponse, body: Buffer): void {
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length }).end(body);
}

const page = Buffer.alloc(Number(pageBytes), 'x');
const nextToken = Buffer.from('"continue":"next"');
const watches = new Set<ServerResponse>();
let left = Number(pages);

const server = createServer({
  cert: readFileSync(path.join(directory, 'server.crt')),
  key: readFileSync(path.join(directory, 'server.key')),
  ca: readFileSync(path.join(directory, 'ca.crt')),
  requestCert: true,
});
server.on('request', (request, response) => {
  if (request.method === 'POST') {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      if (waiting.length === 0) setImmediate(commit);
      waiting.push({ body, response });
    });
  } else if (request.method === 'PATCH') {
    const event = Buffer.alloc(1000, 'x');
    for (const watch of watches) watch.write(event);
    answer(response, Buffer.from('{}'));
  } else if (request.url?.includes('watch=') === true) {
    watches.add(response);
    response.writeHead(200).flushHeaders();
  } else {
    left -= 1;
    answer(response, left > 0 ? Buffer.concat([page, nextToken]) : page);
  }
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  process.send?.((server.address() as AddressInfo).port);
});
