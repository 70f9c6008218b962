import type { Test } from 'tap';
import t from 'tap';
import { configMaps } from '../../../api/client/resources.ts';
import { startServer } from './fixture.ts';
import type { Fixture } from './fixture.ts';
import { ask, json } from './ask.ts';
import { configMap } from './objects.ts';

const one = '/api/v1/namespaces/default/configmaps/one';
const apply = 'application/apply-patch+yaml';
const head = '"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}';

/** Every way to write one ConfigMap, with a field nobody knows and another one that is there twice. */
const writes = [
  ['POST', 'application/json', `{${head}, "surprise": 1, "data": {"a": "1", "a": "2"}}`],
  ['PUT', 'application/json', `{${head}, "surprise": 1, "data": {"a": "1", "a": "2"}}`],
  ['PATCH', 'application/merge-patch+json', '{"surprise": 1, "data": {"a": "1", "a": "2"}}'],
  ['PATCH', 'application/strategic-merge-patch+json', '{"surprise": 1, "data": {"a": "1", "a": "2"}}'],
  [
    'PATCH',
    'application/json-patch+json',
    '[{"op": "add", "path": "/surprise", "value": 1}, {"op": "add", "op": "add", "path": "/data", "value": {"a": "2"}}]',
  ],
  ['PATCH', apply, `{${head}, "surprise": 1, "data": {"a": "1", "a": "2"}}`],
] as const;

type Write = (typeof writes)[number];

/** Sends one of the writes, to an object of its own. */
async function send(fixture: Fixture, [method, type, body]: Write, validation: string | undefined) {
  if (method !== 'POST') await fixture.client.create(configMaps, configMap('one'));
  const query = new URLSearchParams({
    ...(validation === undefined ? {} : { fieldValidation: validation }),
    ...(type === apply ? { fieldManager: 'test', force: 'true' } : {}),
  });
  const path = method === 'POST' ? one.replace('/one', '') : one;
  const answer = await ask(fixture, `${path}?${query.toString()}`, {
    method,
    headers: { 'content-type': type },
    body,
  });
  const stored = await fixture.client
    .get(configMaps, { namespace: 'default', name: 'one' })
    .catch(() => undefined);
  if (stored) await fixture.client.delete(configMaps, { namespace: 'default', name: 'one' });
  return { answer, stored };
}

t.test('fields that are unknown or there twice', async (t) => {
  const fixture = await startServer(t);
  for (const write of writes) {
    await t.test(`${write[0]} ${write[1]}`, async (t) => {
      const ignored = await send(fixture, write, 'Ignore');
      t.equal(ignored.answer.headers.warning, undefined, 'Ignore says nothing');
      t.strictSame(ignored.stored?.data, { a: '2' }, 'and takes the last');
      for (const warned of ['Warn', '', undefined]) {
        const { answer, stored } = await send(fixture, write, warned);
        checkWarnings(t, write, answer.headers.warning);
        t.strictSame(stored?.data, { a: '2' });
      }
      const { answer, stored } = await send(fixture, write, 'Strict');
      t.not(stored?.data?.['a'], '2', 'Strict stores nothing');
      checkRefusal(t, write, json(answer));
      const wrong = await send(fixture, write, 'Sometimes');
      t.equal(wrong.answer.code, 400);
    });
  }
});

function checkWarnings(t: Test, [, type]: Write, warnings: string | undefined): void {
  const twice = type === 'application/json-patch+json' ? '[1].op' : 'data.a';
  const said = ['299 - "unknown field \\"surprise\\""', `299 - "duplicate field \\"${twice}\\""`].join(', ');
  t.equal(warnings, said);
}

function checkRefusal(t: Test, [, type]: Write, status: unknown): void {
  const isPatch = type.includes('patch') && type !== apply;
  t.match(status, {
    code: isPatch ? 422 : 400,
    message: /strict decoding error: unknown field "surprise", duplicate field "(data\.a|\[1\]\.op)"/,
    ...(isPatch ? { details: { causes: [{ field: 'patch' }] } } : {}),
  });
}

t.test('YAML may have keys twice as well', async (t) => {
  const fixture = await startServer(t);
  const body = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\ndata:\n  a: "1"\n  a: "2"\n';
  const headers = { 'content-type': apply };
  const put = (query: string) =>
    ask(fixture, `${one}?fieldManager=test&${query}`, { method: 'PATCH', headers, body });
  t.match(json(await put('fieldValidation=Strict')), {
    code: 400,
    message: /strict decoding error: line 7: key "a" already set in map/,
  });
  const warned = await put('');
  t.same([warned.code, warned.headers.warning], [201, '299 - "line 7: key \\"a\\" already set in map"']);
  t.match(json(warned), { data: { a: '2' } });
});

t.test('operations have no fields but their own', async (t) => {
  const fixture = await startServer(t);
  await fixture.client.create(configMaps, configMap('one'));
  const headers = { 'content-type': 'application/json-patch+json' };
  const body = '[{"op": "add", "path": "/data", "value": {}, "why": "test"}]';
  const answer = await ask(fixture, `${one}?fieldValidation=Strict`, { method: 'PATCH', headers, body });
  t.match(json(answer), { code: 422, message: /json patch unknown field "\[0\]\.why"/ });
});

t.test('a patch that makes no object of the kind is invalid', async (t) => {
  const fixture = await startServer(t);
  await fixture.client.create(configMaps, configMap('one'));
  for (const [type, body] of [
    ['merge-patch', '{"data": {"a": 1}}'],
    ['strategic-merge-patch', '{"data": {"a": 1}}'],
    ['json-patch', '[{"op": "add", "path": "/data", "value": {"a": 1}}]'],
    ['merge-patch', '[]'],
  ] as const) {
    const headers = { 'content-type': `application/${type}+json` };
    const answer = json(await ask(fixture, one, { method: 'PATCH', headers, body }));
    t.match(
      answer,
      { code: 422, reason: 'Invalid', details: { causes: [{ field: 'patch' }] } },
      `${type} ${body}`,
    );
  }
});
