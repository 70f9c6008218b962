import t from 'tap';
import { kinds } from '../../../api/kinds/registry.ts';
import { nodeOf } from '../../../api/kinds/schema.ts';
import { encodeV2Document } from '../../../api/server/openapi-v2-messages.ts';
import { openApiDocuments, type OpenApiDocument } from '../../../api/server/openapi.ts';

const documents = openApiDocuments();

type Json = Record<string, unknown>;

function parse(document: OpenApiDocument | undefined): Json {
  return JSON.parse(document?.body.toString() ?? '{}') as Json;
}

/** Every `$ref` in `value`. */
function refsOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, each]) =>
    name === '$ref' && typeof each === 'string' ? [each] : refsOf(each),
  );
}

function resolve(document: Json, ref: string): unknown {
  const path = ref.replace('#/', '').split('/');
  return path.reduce<unknown>((value, name) => (value as Json | undefined)?.[name], document);
}

t.test('every reference leads somewhere', (t) => {
  for (const document of [documents.v2Json, ...documents.v3.values()]) {
    const json = parse(document);
    const refs = new Set(refsOf(json));
    t.ok(refs.size > 10);
    for (const ref of refs) t.ok(resolve(json, ref), ref);
  }
  t.end();
});

t.test('every kind has its definition with its name, and its paths', (t) => {
  const v2 = parse(documents.v2Json) as { definitions: Record<string, Json>; paths: Json };
  for (const { group, version, kind, plural } of kinds) {
    const marked = Object.values(v2.definitions).filter((each) =>
      (each['x-kubernetes-group-version-kind'] as Json[] | undefined)?.some(
        (gvk) => gvk['kind'] === kind && gvk['group'] === group && gvk['version'] === version,
      ),
    );
    t.equal(marked.length, 1, kind);
    t.ok(
      Object.keys(v2.paths).some((path) => path.endsWith(`/${plural}/{name}`)),
      plural,
    );
  }
  t.end();
});

t.test('PATCH says that the server validates fields', (t) => {
  const v3 = parse(documents.v3.get('api/v1')) as {
    paths: Record<string, Record<string, { parameters: { name: string }[] }>>;
  };
  const patch = v3.paths['/api/v1/namespaces/{namespace}/pods/{name}']?.['patch'];
  const names = patch?.parameters.map((each) => each.name) ?? [];
  for (const name of ['dryRun', 'fieldManager', 'fieldValidation', 'force']) t.ok(names.includes(name), name);
  t.end();
});

t.test('merge keys, list types and scalars', (t) => {
  const v3 = parse(documents.v3.get('api/v1'));
  const field = (definition: string, name: string) =>
    (resolve(v3, `#/components/schemas/io.k8s.api.core.v1.${definition}`) as { properties: Json } | undefined)
      ?.properties[name];
  t.match(field('PodSpec', 'volumes'), {
    'x-kubernetes-patch-merge-key': 'name',
    'x-kubernetes-patch-strategy': 'merge,retainKeys',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
  });
  t.match(field('Container', 'ports'), { 'x-kubernetes-list-map-keys': ['containerPort', 'protocol'] });
  t.match(field('ServiceSpec', 'selector'), { 'x-kubernetes-map-type': 'atomic' });
  const reference = '#/components/schemas/io.k8s.api.core.v1.ObjectFieldSelector';
  t.match(resolve(v3, reference), { 'x-kubernetes-map-type': 'atomic' });
  t.strictSame(field('EnvVarSource', 'fieldRef'), { $ref: reference }, 'said where it is defined only');
  t.match(field('ServicePort', 'targetPort'), {
    description: /number, or the name/,
    allOf: [{ $ref: '#/components/schemas/io.k8s.apimachinery.pkg.util.intstr.IntOrString' }],
  });
  t.match(field('ServicePort', 'protocol'), { type: 'string', default: 'TCP', enum: ['SCTP', 'TCP', 'UDP'] });
  t.end();
});

t.test('the index names every group version with its hash', (t) => {
  const { paths } = parse(documents.v3Index) as { paths: Record<string, { serverRelativeURL: string }> };
  const served = kinds.map(({ group, version }) => `${group === '' ? 'api' : `apis/${group}`}/${version}`);
  t.strictSame(Object.keys(paths).sort(), [...new Set(served)].sort());
  for (const [path, { serverRelativeURL }] of Object.entries(paths)) {
    t.equal(serverRelativeURL, `/openapi/v3/${path}?hash=${documents.v3.get(path)?.hash ?? ''}`);
  }
  t.end();
});

// Bytes by hand from gnostic's OpenAPIv2.proto: tag = number << 3 | 2, length, content.
t.test('the protobuf form, byte by byte', (t) => {
  const document = {
    swagger: '2.0',
    definitions: { A: { type: 'object', required: ['b'], properties: { b: { $ref: '#/x' } }, 'x-y': true } },
  };
  const bytes = [
    [0x0a, 3, ...Buffer.from('2.0')],
    // definitions = 9 { additional_properties = 1 { name = 1, value = 2 } }
    [0x4a, 53, 0x0a, 51, 0x0a, 1, ...Buffer.from('A'), 0x12, 46],
    // required = 19, type = 22 { value = 1 }
    [0x9a, 0x01, 1, ...Buffer.from('b'), 0xb2, 0x01, 8, 0x0a, 6, ...Buffer.from('object')],
    // properties = 25 { additional_properties = 1 { name = 1, value = 2 { _ref = 1 } } }
    [0xca, 0x01, 12, 0x0a, 10, 0x0a, 1, ...Buffer.from('b'), 0x12, 5, 0x0a, 3, ...Buffer.from('#/x')],
    // vendor_extension = 31 { name = 1, value = 2 { yaml = 2 } }
    [0xfa, 0x01, 13, 0x0a, 3, ...Buffer.from('x-y'), 0x12, 6, 0x12, 4, ...Buffer.from('true')],
  ].flat();
  t.equal(encodeV2Document(document).toString('hex'), Buffer.from(bytes).toString('hex'));
  t.end();
});

t.test('the fields that people ask about are explained, each by its own words', (t) => {
  const { definitions } = parse(documents.v2Json) as { definitions: Record<string, { properties: Json }> };
  const words = (definition: string, field: string): unknown =>
    (definitions[definition]?.properties[field] as Json | undefined)?.['description'];
  const core = 'io.k8s.api.core.v1';
  t.match(words(`${core}.ServiceSpec`, 'type'), /LoadBalancer/);
  t.match(words(`${core}.PodSpec`, 'nodeSelector'), /labels/);
  t.match(
    words(`${core}.Container`, 'readinessProbe'),
    /Services leave the pod out/,
    'a field beside its type',
  );
  t.match(words(`${core}.Container`, 'livenessProbe'), /started again/);
  t.match(words('io.k8s.api.apps.v1.DeploymentSpec', 'strategy'), /replaced/);
  t.match(words('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta', 'finalizers'), /before the object may go/);
  for (const { schema, kind } of kinds) t.match(words(nodeOf(schema).$id ?? '', 'kind'), /./, kind);
  const probe = definitions[`${core}.Probe`] as Json | undefined;
  t.equal(probe?.['description'], 'A check that a container is alive or ready.', 'the type keeps its own');
  t.end();
});
