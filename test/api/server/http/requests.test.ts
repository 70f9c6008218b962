import t from 'tap';
import { chooseRepresentation, parseAccept } from '../../../../api/server/http/accept.ts';
import { parseResourcePath } from '../../../../api/server/http/request-path.ts';
import { decodeContinue, encodeContinue } from '../../../../api/server/registry/continue-token.ts';

t.test('paths are taken apart', (t) => {
  const core = { group: '', version: 'v1' };
  const discovery = { group: 'discovery.k8s.io', version: 'v1' };
  const cases: Record<string, unknown> = {
    '/api/v1/pods': { ...core, plural: 'pods' },
    '/api/v1/namespaces': { ...core, plural: 'namespaces' },
    '/api/v1/namespaces/a': { ...core, plural: 'namespaces', name: 'a' },
    '/api/v1/namespaces/a/status': { ...core, plural: 'namespaces', name: 'a', subresource: 'status' },
    '/api/v1/namespaces/a/finalize': { ...core, plural: 'namespaces', name: 'a', subresource: 'finalize' },
    '/api/v1/namespaces/a/pods': { ...core, plural: 'pods', namespace: 'a' },
    '/api/v1/namespaces/a/pods/b/': { ...core, plural: 'pods', namespace: 'a', name: 'b' },
    '/api/v1/namespaces/a/pods/b/log': {
      ...core,
      plural: 'pods',
      namespace: 'a',
      name: 'b',
      subresource: 'log',
    },
    '/api/v1/nodes/a%2Fb': { ...core, plural: 'nodes', name: 'a/b' },
    '/api/v1/namespaces/a/services/b/proxy/x/y': {
      ...core,
      plural: 'services',
      namespace: 'a',
      name: 'b',
      subresource: 'proxy',
      rest: 'x/y',
    },
    '/apis/discovery.k8s.io/v1/endpointslices': { ...discovery, plural: 'endpointslices' },
  };
  for (const [path, parts] of Object.entries(cases)) t.same(parseResourcePath(path), parts, path);
  for (const path of [
    '/',
    '/api',
    '/api/v1',
    '/api/v2/pods',
    '/apis/apps',
    '/apis/apps/v1',
    '/api/v1//pods',
    '/api/v1/%zz',
  ]) {
    t.equal(parseResourcePath(path), undefined, path);
  }
  t.end();
});

t.test('Accept headers are read in the client’s order', (t) => {
  t.same(parseAccept('a/b;q=0.5, c/d;x=y'), [
    { type: 'c/d', parameters: { x: 'y' } },
    { type: 'a/b', parameters: { q: '0.5' } },
  ]);
  const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const cases: Record<string, string> = {
    '*/*': 'object',
    'application/json': 'object',
    [`${table},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json`]: 'table',
    [`application/json,${table}`]: 'object',
    'application/vnd.kubernetes.protobuf,application/json': 'object',
    'application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1':
      'metadata',
    'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1': 'metadata',
    'application/json;as=Table;v=v9;g=meta.k8s.io,application/json': 'object',
  };
  for (const [header, wanted] of Object.entries(cases)) t.equal(chooseRepresentation(header), wanted, header);
  t.equal(chooseRepresentation(undefined), 'object');
  t.end();
});

t.test('continue tokens go there and back, others are refused', (t) => {
  for (const token of [
    { revision: 7, remaining: 12, after: 'default/a' },
    { revision: undefined, remaining: undefined, after: 'näme' },
  ]) {
    t.same(decodeContinue(encodeContinue(token)), token);
  }
  for (const text of [
    '',
    'x',
    Buffer.from('-1/a').toString('base64url'),
    Buffer.from('7/').toString('base64url'),
    Buffer.from('7/a').toString('base64url'),
    Buffer.from('7//').toString('base64url'),
  ]) {
    t.throws(() => decodeContinue(text), { code: 400 }, text);
  }
  t.end();
});
