import type { IncomingMessage } from 'node:http';
import type { TSchema } from 'typebox';
import { parse, YAMLParseError } from 'yaml';
import { nodeOf } from '../../kinds/schema.ts';
import { decodeBody, protobufType } from '../protobuf/envelope.ts';
import { badRequest, StatusError, unsupportedMediaType } from '../status-error.ts';

/** Kubernetes' own bound on a request's body. */
const maxBytes = 3 * 1024 * 1024;

/** A request's media type without parameters; requests that name none send JSON. */
export function mediaType(request: IncomingMessage): string {
  const [type = ''] = (request.headers['content-type'] ?? '').split(';');
  return type.trim().toLowerCase() || 'application/json';
}

export async function readBody(request: IncomingMessage): Promise<string> {
  return (await readBytes(request)).toString('utf8');
}

async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) {
      const message = `Request entity too large: limit is ${maxBytes}`;
      throw new StatusError({ code: 413, reason: 'RequestEntityTooLarge', message });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

/**
 * The body as a value; `undefined` for an empty one. A body in protobuf becomes the JSON that `schema` makes of it; it
 * is as unchecked as any. 400 when it does not parse, 415 for other media types.
 */
export async function readObject(request: IncomingMessage, schema?: TSchema): Promise<unknown> {
  const type = mediaType(request);
  if (type === 'application/json') return parseJson(await readBody(request));
  if (type === 'application/yaml' || type === 'application/x-yaml') return parseYaml(await readBody(request));
  if (type === protobufType && schema) {
    const body = await readBytes(request);
    return body.length === 0 ? undefined : decodeBody(nodeOf(schema), body);
  }
  throw unsupportedMediaType(
    `the body of the request was in an unknown format - accepted media types include: application/json, ` +
      `application/yaml${schema ? `, ${protobufType}` : ''} (got ${type})`,
  );
}

export function parseJson(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw badRequest(`couldn't parse the body as JSON: ${error.message}`, error);
  }
}

export function parseYaml(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    throw badRequest(`couldn't parse the body as YAML: ${error.message}`, error);
  }
}
