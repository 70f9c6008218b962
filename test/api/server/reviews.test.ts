import t from 'tap';
import { ask, json } from './ask.ts';
import { refusal, startServer } from './fixture.ts';
import { pods } from '../../../api/client/resources.ts';
import { pod } from './objects.ts';

const authorization = '/apis/authorization.k8s.io/v1';

t.test('what somebody else may do is asked by those who decide', async (t) => {
  const { client } = await startServer(t);
  const path = `${authorization}/subjectaccessreviews`;
  const review = (spec: object) => client.request('POST', path, { body: { spec } });
  const listPods = { verb: 'list', resource: 'pods', namespace: 'default' };
  const node = { user: 'system:node:n1', groups: ['system:nodes'] };
  t.match(await review({ user: 'bob', resourceAttributes: listPods }), {
    kind: 'SubjectAccessReview',
    apiVersion: 'authorization.k8s.io/v1',
    spec: { user: 'bob' },
    status: { allowed: false },
  });
  t.match(await review({ groups: ['system:masters'], resourceAttributes: listPods }), {
    status: { allowed: true },
  });
  t.match(await review({ ...node, resourceAttributes: listPods }), { status: { allowed: true } });
  const mounts = { volumes: [{ name: 'keys', secret: { secretName: 'keys' } }] };
  await client.create(pods, pod('mine', { nodeName: 'n1', ...mounts }));
  const listSecrets = { ...listPods, resource: 'secrets' };
  t.match(await review({ ...node, resourceAttributes: listSecrets }), { status: { allowed: false } });
  const keys = { requirements: [{ key: 'metadata.name', operator: 'In', values: ['keys'] }] };
  t.match(
    await review({ ...node, resourceAttributes: { ...listSecrets, fieldSelector: keys } }),
    { status: { allowed: true } },
    'a node may list what its pods mount',
  );
  t.match(
    await review({
      ...node,
      resourceAttributes: { ...listSecrets, fieldSelector: { rawSelector: 'metadata.name=keys' } },
    }),
    { status: { allowed: true } },
  );
  t.match(await refusal(t, review({ resourceAttributes: listPods })), {
    code: 400,
    message: /user or group/,
  });
  t.match(await refusal(t, review({ user: 'bob' })), { code: 400, message: /exactly one of/ });
  t.match(await refusal(t, review({ user: 5 })), { code: 400, message: /spec.user: expected a string/ });

  const local = (namespace: string) =>
    client.request('POST', `${authorization}/namespaces/${namespace}/localsubjectaccessreviews`, {
      body: { spec: { user: 'bob', resourceAttributes: listPods } },
    });
  t.match(await local('default'), { kind: 'LocalSubjectAccessReview', status: { allowed: false } });
  t.match(await refusal(t, local('other')), { code: 400, message: /namespace/ });
});

t.test('questions are created, nothing else', async (t) => {
  const { client } = await startServer(t);
  const path = `${authorization}/selfsubjectaccessreviews`;
  t.match(await refusal(t, client.request('GET', path)), { code: 405 });
  t.match(await refusal(t, client.request('POST', path)), { code: 400, message: 'the request has no body' });
  t.match(await refusal(t, client.request('GET', `${path}/x`)), { code: 404 });
  t.match(
    await refusal(t, client.request('POST', `${authorization}/localsubjectaccessreviews`, { body: {} })),
    {
      code: 404,
    },
  );
});

t.test('only administrators speak for others', async (t) => {
  const fixture = await startServer(t);
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const whoAmI = (headers: Record<string, string>) =>
    ask(fixture, path, { method: 'POST', headers, body: '{}' });
  const asBob = await whoAmI({ 'impersonate-user': 'bob', 'impersonate-group': 'devs' });
  t.match(json(asBob), {
    status: { userInfo: { username: 'bob', groups: ['devs', 'system:authenticated'] } },
  });
  t.match(json(await whoAmI({ 'impersonate-group': 'devs' })), { code: 400 });
  const { server, ca } = fixture.server.loopback;
  const outsider = { ...fixture, server: { ...fixture.server, loopback: { server, ca, cert: '', key: '' } } };
  const headers = { 'impersonate-user': 'admin', 'impersonate-group': 'system:masters' };
  const refused = await ask(outsider, '/api/v1/secrets', { headers });
  t.match(json(refused), {
    code: 403,
    message:
      'users "admin" is forbidden: User "system:anonymous" cannot impersonate resource "users" in API group "" at the cluster scope',
  });
});
