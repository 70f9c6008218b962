import { createHash } from 'node:crypto';
import { kinds } from '../kinds/registry.ts';
import { operationsOf, renderV2Paths, renderV3Paths } from './openapi-paths.ts';
import { groupVersionPath, renderDefinitions, v2Dialect, v3Dialect, type Json } from './openapi-schema.ts';
import { encodeV2Document } from './openapi-v2-messages.ts';

/** One OpenAPI document, rendered once. `hash` is for ETag and `?hash=`. */
export interface OpenApiDocument {
  readonly contentType: string;
  readonly body: Buffer;
  readonly hash: string;
}

export interface OpenApiDocuments {
  /** `GET /openapi/v2` with Accept JSON. */
  readonly v2Json: OpenApiDocument;
  /** `GET /openapi/v2` with Accept `application/com.github.proto-openapi.spec.v2@v1.0+protobuf` (`.` or `@`). */
  readonly v2Protobuf: OpenApiDocument;
  /** `GET /openapi/v3`: the paths of the documents with their hashes. */
  readonly v3Index: OpenApiDocument;
  /** `GET /openapi/v3/<path>`, by path: `api/v1`, `apis/discovery.k8s.io/v1`. */
  readonly v3: ReadonlyMap<string, OpenApiDocument>;
}

const info = { title: 'Kubernetes', version: 'v1.32.0' };

/** The `@` of the media type as a dot: kubectl 1.20 cannot read the answer otherwise. */
const PROTOBUF = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

let rendered: OpenApiDocuments | undefined;

/** The documents of all registered kinds, rendered on the first call and kept. */
export function openApiDocuments(): OpenApiDocuments {
  rendered ??= renderDocuments();
  return rendered;
}

function renderDocuments(): OpenApiDocuments {
  const v2 = renderV2();
  const v3 = renderV3();
  const index = [...v3].map(([path, { hash }]) => [
    path,
    { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` },
  ]);
  return {
    v2Json: jsonDocument(v2),
    v2Protobuf: document(PROTOBUF, encodeV2Document(v2)),
    v3Index: jsonDocument({ paths: Object.fromEntries(index) as Json }),
    v3,
  };
}

function renderV2(): Json {
  return {
    swagger: '2.0',
    info,
    paths: renderV2Paths(kinds.flatMap(operationsOf), v2Dialect),
    definitions: renderDefinitions(kinds, v2Dialect),
  };
}

function renderV3(): Map<string, OpenApiDocument> {
  const byGroupVersion = Map.groupBy(kinds, (kind) => groupVersionPath(kind).slice(1));
  const documents = [...byGroupVersion].map(([path, group]) => {
    const json = {
      openapi: '3.0.0',
      info,
      paths: renderV3Paths(group.flatMap(operationsOf), v3Dialect),
      components: { schemas: renderDefinitions(group, v3Dialect) },
    };
    return [path, jsonDocument(json)] as const;
  });
  return new Map(documents);
}

function jsonDocument(value: Json): OpenApiDocument {
  return document('application/json', Buffer.from(JSON.stringify(value)));
}

function document(contentType: string, body: Buffer): OpenApiDocument {
  return { contentType, body, hash: createHash('sha256').update(body).digest('hex').toUpperCase() };
}
