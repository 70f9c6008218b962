import { openApiDocuments } from '../openapi.ts';
import type { OpenApiDocument } from '../openapi.ts';
import { noSuchPath } from '../status-error.ts';
import { parseAccept } from './accept.ts';
import { sendText } from './exchange.ts';
import type { Exchange } from './exchange.ts';

/** Answers /openapi/v2 (JSON or protobuf) and /openapi/v3. */
export async function sendOpenApi(exchange: Exchange): Promise<void> {
  const { request, response, url } = exchange;
  const document = chooseDocument(url.pathname, request.headers.accept);
  if (!document) throw noSuchPath();
  const etag = `"${document.hash}"`;
  response.setHeader('ETag', etag);
  response.setHeader('Vary', 'Accept');
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304).end();
    return;
  }
  await sendText(exchange, 200, document.body, document.contentType);
}

/** The paths that {@link sendOpenApi} answers. */
export function openApiPaths(): string[] {
  const groupVersions = [...openApiDocuments().v3.keys()];
  return ['/openapi/v2', '/openapi/v3', ...groupVersions.map((path) => `/openapi/v3/${path}`)];
}

function chooseDocument(pathname: string, accept: string | undefined): OpenApiDocument | undefined {
  const documents = openApiDocuments();
  const path = pathname.replace(/\/$/, '');
  if (path === '/openapi/v3') return documents.v3Index;
  if (path.startsWith('/openapi/v3/')) return documents.v3.get(path.slice('/openapi/v3/'.length));
  if (path !== '/openapi/v2') return undefined;
  const [first] = parseAccept(accept);
  return first?.type.startsWith('application/com.github.proto-openapi')
    ? documents.v2Protobuf
    : documents.v2Json;
}
