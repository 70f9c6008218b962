/** One media type of an Accept header with its parameters, e.g. `application/json;as=Table;v=v1;g=meta.k8s.io`. */
export interface MediaType {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** The media types of an Accept header in the client's order of preference. */
export function parseAccept(header: string | undefined): MediaType[] {
  const parsed = (header ?? '*/*').split(',').map((part) => {
    const [type = '', ...parameters] = part.split(';').map((text) => text.trim());
    const pairs = parameters.map((parameter) => {
      const [name = '', value = ''] = parameter.split('=', 2);
      return [name.trim(), value.trim()] as const;
    });
    return { type: type.toLowerCase(), parameters: Object.fromEntries(pairs) };
  });
  const weight = (media: MediaType): number => Number(media.parameters['q'] ?? 1);
  return parsed.filter((media) => media.type !== '').sort((a, b) => weight(b) - weight(a));
}

/** How the client wants objects: as they are, as rows of a table, or only their metadata. */
export type Representation = 'object' | 'table' | 'metadata';

/** The first representation asked for that we have; Table and metadata exist as JSON only. */
export function chooseRepresentation(header: string | undefined): Representation {
  for (const { type, parameters } of parseAccept(header)) {
    const { as, g, v } = parameters;
    if (as === undefined) {
      if (['application/json', 'application/*', '*/*'].includes(type)) return 'object';
      continue;
    }
    if (type !== 'application/json' || g !== 'meta.k8s.io' || (v !== 'v1' && v !== 'v1beta1')) continue;
    if (as === 'Table') return 'table';
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return 'metadata';
  }
  return 'object';
}
