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

/** The documents of all registered kinds, rendered on the first call and kept. */
export function openApiDocuments(): OpenApiDocuments {
  throw new Error('not yet');
}
