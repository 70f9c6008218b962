import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { Fixture } from './fixture.ts';

export interface Answer {
  readonly code: number | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** A request as it stands, by the administrator, on a connection of its own. */
export async function ask(
  { server }: Fixture,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string | Buffer } = {},
): Promise<Answer> {
  const { loopback } = server;
  const { body, ...rest } = options;
  // Node does not frame the body of a DELETE by itself.
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const headers = { ...length, ...options.headers };
  const outgoing = request(new URL(path, loopback.server), { ...loopback, agent: false, ...rest, headers });
  outgoing.end(body);
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return { code: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) };
}

export const json = ({ body }: Answer): unknown => JSON.parse(body.toString());
