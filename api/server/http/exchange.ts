import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { constants, createGzip, gzip } from 'node:zlib';
import type { User } from '../authentication.ts';

const compress = promisify(gzip);

/** Answers shorter than this are cheaper to send than to compress; kube-apiserver's own bound. */
const compressFromBytes = 128 * 1024;

/** One request under way and the place its answer goes. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly user: User;
}

/** Sends a whole JSON answer, compressed if the client takes gzip and it is large. */
export async function sendJson(
  exchange: Pick<Exchange, 'request' | 'response'>,
  code: number,
  body: unknown,
  contentType = 'application/json',
): Promise<void> {
  await sendText(exchange, code, JSON.stringify(body), contentType);
}

export async function sendText(
  { request, response }: Pick<Exchange, 'request' | 'response'>,
  code: number,
  text: string | Buffer,
  contentType: string,
): Promise<void> {
  const plain = Buffer.from(text);
  const compressed = plain.length >= compressFromBytes && acceptsGzip(request);
  const body = compressed ? await compress(plain, { level: constants.Z_BEST_SPEED }) : plain;
  response.writeHead(code, {
    'Content-Type': contentType,
    'Content-Length': body.length,
    'Cache-Control': 'no-cache, private',
    ...(compressed ? { 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** Sends a JSON answer that may be long piece by piece: only as much is held as the client has yet to take. */
export async function sendPieces(
  exchange: Pick<Exchange, 'request' | 'response'>,
  pieces: AsyncGenerator<string>,
): Promise<void> {
  const { request, response } = exchange;
  const first = await pieces.next();
  const second = await pieces.next();
  const text = first.done ? '' : first.value;
  if (second.done) return sendText(exchange, 200, text, 'application/json');
  const compressed = acceptsGzip(request);
  response.writeHead(200, {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-cache, private',
    ...(compressed ? { 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' } : {}),
  });
  const all = Readable.from(chain([text, second.value], pieces));
  const way = compressed ? [createGzip({ level: constants.Z_BEST_SPEED })] : [];
  try {
    await pipeline([all, ...way, response]);
  } catch (error) {
    // A client that goes away has no use for the rest; any other failure must not look like the end of the list.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}

async function* chain(first: readonly string[], rest: AsyncGenerator<string>): AsyncGenerator<string> {
  yield* first;
  yield* rest;
}

function acceptsGzip(request: IncomingMessage): boolean {
  return /(^|,)\s*gzip\s*(,|$)/.test(request.headers['accept-encoding'] ?? '');
}

/** Header fields beyond this would be refused by clients: kube-apiserver's own bounds. */
const maxWarnings = 4096;
const maxWarning = 256;

/**
 * Warning headers as RFC 7234 writes them; kubectl prints them. Each is said once, however often a write starts over.
 * Long ones are cut once all of them are many, and what is too much is left out.
 */
export function addWarnings(response: ServerResponse, warnings: readonly string[]): void {
  const said = new Set([response.getHeader('Warning') ?? []].flat().map(String));
  const total = warnings.reduce((length, warning) => length + warning.length, 0);
  let left = maxWarnings;
  for (const warning of warnings) {
    const text = total > maxWarnings ? warning.slice(0, maxWarning) : warning;
    left -= text.length;
    if (left < 0) break;
    said.add(`299 - "${headerText(text)}"`);
  }
  response.setHeader('Warning', [...said]);
}

/** Text within a quoted string of a header: in UTF-8, whose bytes Node takes as characters, and without controls. */
function headerText(text: string): string {
  const printable = text.replaceAll(/\p{Cc}+/gu, ' ').replaceAll(/[\\"]/g, (character) => `\\${character}`);
  return Buffer.from(printable).toString('latin1');
}
