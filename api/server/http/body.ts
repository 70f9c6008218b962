import type { IncomingMessage } from 'node:http';
import type { TSchema } from 'typebox';
import { isMap, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import type { Document as YamlDocument } from 'yaml';
import { nodeOf } from '../../kinds/schema.ts';
import { isTooDeep } from '../patch/json.ts';
import { decodeBody, protobufType } from '../protobuf/envelope.ts';
import { badRequest, StatusError, unsupportedMediaType } from '../status-error.ts';
import { duplicateFields } from './duplicate-fields.ts';

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

/** A text as a value, and what is wrong with it that only the text shows. */
export interface Document {
  /** `undefined` for an empty text. */
  readonly value: unknown;
  /** Fields that are there more than once, in words. Looked for only when asked. */
  readonly duplicates: () => readonly string[];
}

/**
 * The body as a value; `undefined` for an empty one. A body in protobuf becomes the JSON that `schema` makes of it; it
 * is as unchecked as any. 400 when it does not parse, 415 for other media types.
 */
export async function readObject(request: IncomingMessage, schema?: TSchema): Promise<unknown> {
  return (await readDocument(request, schema)).value;
}

/** The same with what only the text shows. */
export async function readDocument(request: IncomingMessage, schema?: TSchema): Promise<Document> {
  const type = mediaType(request);
  if (type === 'application/json') return parseJson(await readBody(request));
  if (type === 'application/yaml' || type === 'application/x-yaml') return parseYaml(await readBody(request));
  if (type === protobufType && schema) {
    const body = await readBytes(request);
    const value = body.length === 0 ? undefined : decodeBody(nodeOf(schema), body);
    return checkNesting({ value, duplicates: () => [] });
  }
  throw unsupportedMediaType(
    `the body of the request was in an unknown format - accepted media types include: application/json, ` +
      `application/yaml${schema ? `, ${protobufType}` : ''} (got ${type})`,
  );
}

/** Objects are read, compared and written by recursive walks, which nobody may make overflow. */
function checkNesting(document: Document): Document {
  if (isTooDeep(document.value)) throw badRequest('the body is nested too deep');
  return document;
}

const nothing: Document = { value: undefined, duplicates: () => [] };

export function parseJson(text: string): Document {
  if (text.trim() === '') return nothing;
  try {
    const value = JSON.parse(text) as unknown;
    const duplicates = () => duplicateFields(text, value).map((path) => `duplicate field "${path}"`);
    return checkNesting({ value, duplicates });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw badRequest(`couldn't parse the body as JSON: ${error.message}`, error);
  }
}

export function parseYaml(text: string): Document {
  if (text.trim() === '') return nothing;
  const lines = new LineCounter();
  // What it warns of goes to our own stderr otherwise.
  const document = parseDocument(text, { uniqueKeys: false, lineCounter: lines, logLevel: 'error' });
  const [error] = document.errors;
  if (error) throw badRequest(`couldn't parse the body as YAML: ${error.message}`, error);
  return checkNesting({ value: toValue(document), duplicates: () => duplicateKeys(document, lines) });
}

function toValue(document: YamlDocument): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // Aliases of nothing, and so many that the value would be a thousand times the text.
    if (!(error instanceof ReferenceError)) throw error;
    throw badRequest(`couldn't parse the body as YAML: ${error.message}`, error);
  }
}

function duplicateKeys(document: YamlDocument, lines: LineCounter): string[] {
  const found: string[] = [];
  visit(document, {
    Map(_, node) {
      const names = new Set<unknown>();
      for (const { key } of isMap(node) ? node.items : []) {
        if (!isScalar(key)) continue;
        const { line } = lines.linePos(key.range?.[0] ?? 0);
        if (names.has(key.value))
          found.push(`line ${line}: key ${JSON.stringify(key.value)} already set in map`);
        names.add(key.value);
      }
    },
  });
  return found;
}
