import t from 'tap';
import { decodeCall, parseEnvironment } from '../../cni/call.ts';

const whole = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/run/netns/c1',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/opt/cni/bin',
};

function parse(variables: Record<string, string>) {
  return parseEnvironment(new Map(Object.entries(variables)));
}

t.test('what the plugin sends', (t) => {
  const message = Buffer.from('CNI_COMMAND=ADD\0CNI_ARGS=A=1;B=x=y\0\0{"name":"ä"}');
  const { variables, config } = decodeCall(message);
  t.same(
    [...variables],
    [
      ['CNI_COMMAND', 'ADD'],
      ['CNI_ARGS', 'A=1;B=x=y'],
    ],
  );
  t.equal(config, '{"name":"ä"}');
  t.throws(() => decodeCall(message.subarray(0, 20)), { code: 5 });
  t.throws(() => decodeCall(Buffer.alloc(0)), { code: 5 });
  t.end();
});

t.test('what each verb needs', (t) => {
  const needs: Record<string, readonly string[]> = {
    ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'],
    CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'],
    DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
    GC: [],
    STATUS: [],
    VERSION: [],
  };
  for (const [verb, names] of Object.entries(needs)) {
    const all = { ...whole, CNI_COMMAND: verb };
    t.match(parse(all), { verb });
    for (const name of ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'] as const) {
      const without = { ...all, [name]: '' };
      if (names.includes(name)) t.throws(() => parse(without), { code: 4, message: name }, `${verb} ${name}`);
      else t.match(parse(without), { verb }, `${verb} without ${name}`);
    }
  }
  t.throws(() => parse({ ...whole, CNI_COMMAND: 'UPDATE' }), { code: 4 });
  t.throws(() => parse({}), { code: 4 });
  t.end();
});

t.test('container ids and interface names', (t) => {
  for (const id of ['a', 'A-b_c.9', '0'.repeat(64)]) t.match(parse({ ...whole, CNI_CONTAINERID: id }), {});
  for (const id of ['-a', '.a', '_a', 'a/b', 'a b', 'a:b', 'ä', 'a\n', 'a'.repeat(201)])
    t.throws(() => parse({ ...whole, CNI_CONTAINERID: id }), { code: 4 }, id);
  for (const name of ['eth0', 'a-b.c_d', '123456789012345'])
    t.match(parse({ ...whole, CNI_IFNAME: name }), {});
  for (const name of ['1234567890123456', '.', '..', 'a/b', 'a:b', 'a b', 'a\tb', 'ääääääää'])
    t.throws(() => parse({ ...whole, CNI_IFNAME: name }), { code: 4 }, name);
  t.end();
});

t.test('CNI_ARGS', (t) => {
  const { args } = parse({ ...whole, CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=web;EMPTY=' });
  t.same(Object.fromEntries(args), { IgnoreUnknown: '1', K8S_POD_NAME: 'web', EMPTY: '' });
  t.throws(() => parse({ ...whole, CNI_ARGS: 'none' }), { code: 4, message: /none/ });
  t.end();
});
