import type { Kind } from '../kinds/kind.ts';
import { definitionOf, groupVersionPath, gvkOf, type Dialect, type Json } from './openapi-schema.ts';
import { applyType, patchTypes } from './patch/patch.ts';

/**
 * The operations of a kind. kubectl reads two things from them: which kind stands at a path (`explain`), and
 * whether a PATCH takes `fieldValidation` and `dryRun`, so that it leaves validation to the server.
 */
export interface Operation {
  readonly path: string;
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  readonly action: 'get' | 'list' | 'post' | 'put' | 'patch' | 'delete' | 'deletecollection';
  readonly id: string;
  readonly kind: Kind;
  readonly query: readonly QueryParameter[];
  /** Definition names of the body and the answer. */
  readonly body?: string;
  readonly answer: string;
}

interface QueryParameter {
  readonly name: string;
  readonly type: 'string' | 'boolean' | 'integer';
}

const text = (name: string): QueryParameter => ({ name, type: 'string' });
const flag = (name: string): QueryParameter => ({ name, type: 'boolean' });
const number = (name: string): QueryParameter => ({ name, type: 'integer' });

const writeQuery = [text('dryRun'), text('fieldManager'), text('fieldValidation')];
const selectQuery = [text('fieldSelector'), text('labelSelector')];
const listQuery = [
  ...selectQuery,
  flag('allowWatchBookmarks'),
  text('continue'),
  number('limit'),
  text('resourceVersion'),
  text('resourceVersionMatch'),
  flag('sendInitialEvents'),
  number('timeoutSeconds'),
  flag('watch'),
];
const deleteQuery = [
  text('dryRun'),
  number('gracePeriodSeconds'),
  flag('orphanDependents'),
  text('propagationPolicy'),
];

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';

export function operationsOf(kind: Kind): Operation[] {
  const root = groupVersionPath(kind);
  const collection = kind.namespaced
    ? `${root}/namespaces/{namespace}/${kind.plural}`
    : `${root}/${kind.plural}`;
  const object = definitionOf(kind);
  const scope = kind.namespaced ? `Namespaced${kind.kind}` : kind.kind;
  const status = `${META}.Status`;
  const operation = (
    path: string,
    method: Operation['method'],
    action: Operation['action'],
    rest: Pick<Operation, 'query' | 'answer' | 'body'>,
  ): Operation => ({ path, method, action, id: `${action}${idPrefix(kind)}${scope}`, kind, ...rest });
  const one = `${collection}/{name}`;
  const everywhere = kind.namespaced
    ? [
        {
          ...operation(`${root}/${kind.plural}`, 'get', 'list', {
            query: listQuery,
            answer: `${object}List`,
          }),
          id: `list${idPrefix(kind)}${kind.kind}ForAllNamespaces`,
        },
      ]
    : [];
  return [
    operation(collection, 'get', 'list', { query: listQuery, answer: `${object}List` }),
    operation(collection, 'post', 'post', { query: writeQuery, body: object, answer: object }),
    operation(collection, 'delete', 'deletecollection', {
      query: [...selectQuery, ...deleteQuery],
      answer: status,
    }),
    operation(one, 'get', 'get', { query: [], answer: object }),
    operation(one, 'put', 'put', { query: writeQuery, body: object, answer: object }),
    operation(one, 'patch', 'patch', {
      query: [...writeQuery, flag('force')],
      body: `${META}.Patch`,
      answer: object,
    }),
    operation(one, 'delete', 'delete', { query: deleteQuery, answer: status }),
    ...everywhere,
  ];
}

function idPrefix(kind: Kind): string {
  const group = kind.group === '' ? 'core' : (kind.group.split('.')[0] ?? '');
  return capitalize(group) + capitalize(kind.version);
}

function capitalize(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}

const objectTypes = ['application/json', 'application/yaml'];
const patchMediaTypes = [...patchTypes, applyType];

/** Paths of an OpenAPI v2 document. */
export function renderV2Paths(operations: readonly Operation[], dialect: Dialect): Json {
  return groupByPath(operations, (each) => {
    const body =
      each.body === undefined
        ? []
        : [{ name: 'body', in: 'body', required: true, schema: { $ref: dialect.refPrefix + each.body } }];
    return {
      ...describe(each),
      consumes: each.action === 'patch' ? patchMediaTypes : ['*/*'],
      produces: objectTypes,
      parameters: [
        ...pathParameters(each).map((name) => ({ name, in: 'path', required: true, type: 'string' })),
        ...each.query.map(({ name, type }) => ({ name, in: 'query', type, uniqueItems: true })),
        ...body,
      ],
      responses: { 200: { description: 'OK', schema: { $ref: dialect.refPrefix + each.answer } } },
    };
  });
}

/** Paths of an OpenAPI v3 document. */
export function renderV3Paths(operations: readonly Operation[], dialect: Dialect): Json {
  return groupByPath(operations, (each) => {
    const types = each.action === 'patch' ? patchMediaTypes : objectTypes;
    const content = (definition: string, mediaTypes: readonly string[]) => ({
      content: Object.fromEntries(
        mediaTypes.map((type) => [type, { schema: { $ref: dialect.refPrefix + definition } }]),
      ),
    });
    return {
      ...describe(each),
      parameters: [
        ...pathParameters(each).map((name) => ({
          name,
          in: 'path',
          required: true,
          schema: { type: 'string' },
        })),
        ...each.query.map(({ name, type }) => ({ name, in: 'query', schema: { type, uniqueItems: true } })),
      ],
      ...(each.body === undefined ? {} : { requestBody: { required: true, ...content(each.body, types) } }),
      responses: { 200: { description: 'OK', ...content(each.answer, objectTypes) } },
    };
  });
}

function describe({ kind, id, action }: Operation): Json {
  return {
    operationId: id,
    tags: [`${kind.group === '' ? 'core' : kind.group}_${kind.version}`],
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvkOf(kind),
  };
}

function pathParameters({ path }: Operation): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
}

function groupByPath(operations: readonly Operation[], render: (operation: Operation) => Json): Json {
  const paths: Record<string, Json> = {};
  for (const each of operations) (paths[each.path] ??= {})[each.method] = render(each);
  return paths;
}
