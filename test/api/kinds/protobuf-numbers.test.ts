import t from 'tap';
import { DeleteOptions, Status } from '../../../api/kinds/meta.ts';
import { kinds } from '../../../api/kinds/registry.ts';
import { nodeOf, type SchemaNode } from '../../../api/kinds/schema.ts';
import { reviews } from '../../../api/server/reviews/reviews.ts';
import { Binding, Eviction } from '../../../api/server/verbs/pod-requests.ts';
import { scaleSchema } from '../../../api/server/verbs/scale-schema.ts';

/**
 * Every message of every kind has its protobuf numbers: the fourth argument of `struct`, see api/kinds/schema.ts.
 * The numbers are upstream's (generated.proto beside the kind's Go types), never made up: clients send by them.
 */

const notStored = [Binding, DeleteOptions, Eviction, scaleSchema, Status];
const schemas = [...kinds, ...reviews].map(({ schema }) => schema);
const roots: readonly SchemaNode[] = [...schemas, ...notStored].map(nodeOf);

/** All messages below `node`, by their definition's name. */
function messagesBelow(node: SchemaNode, found = new Map<string, SchemaNode>()): Map<string, SchemaNode> {
  if (node.properties) {
    const id = node.$id ?? 'a message without a name';
    if (found.has(id)) return found;
    found.set(id, node);
  }
  for (const each of Object.values(node.properties ?? {})) messagesBelow(each, found);
  if (node.items) messagesBelow(node.items, found);
  if (node.additionalProperties) messagesBelow(node.additionalProperties, found);
  return found;
}

/** `'name 1, secret 2.6, *optional 4'` as pairs. */
function pairsOf({ protobuf = '' }: SchemaNode): (readonly [string, string])[] {
  const parts = protobuf.split(',').map((part) => part.trim());
  return parts.map((part) => {
    const [name = '', number = '', ...rest] = part.split(/\s+/);
    return [name.replace(/^\*/, ''), rest.length === 0 ? number : `too much: ${part}`] as const;
  });
}

/** The type of a kind itself travels outside its message. */
function fieldsOf(message: SchemaNode): string[] {
  const outside = roots.some(({ $id }) => $id === message.$id) ? ['apiVersion', 'kind'] : [];
  return Object.keys(message.properties ?? {}).filter((name) => !outside.includes(name));
}

const messages = new Map(roots.flatMap((root) => [...messagesBelow(root)]));

t.test('every field of every message has one protobuf number', (t) => {
  t.ok(messages.size > 100, `${messages.size} messages`);
  for (const [id, message] of messages) {
    const pairs = pairsOf(message);
    const names = pairs.map(([name]) => name);
    t.same(names.toSorted(), fieldsOf(message).toSorted(), `${id}: the fields and the numbered fields`);
  }
  t.end();
});

t.test('only values have zeros that may be meant', (t) => {
  for (const [id, { protobuf = '', properties = {} }] of messages) {
    for (const [, name = ''] of protobuf.matchAll(/\*(\w+)/g)) {
      const { type = '', $id } = properties[name] ?? {};
      t.ok($id === undefined && ['boolean', 'integer', 'string'].includes(type), `${id}: ${name}`);
    }
  }
  t.end();
});

t.test('no number is used twice, and none is impossible', (t) => {
  for (const [id, message] of messages) {
    const numbers = pairsOf(message).map(([, number]) => number);
    t.equal(new Set(numbers).size, numbers.length, `${id}: ${numbers.join(' ')}`);
    // A number leads to a field or to a message inside, not to both.
    const outer = numbers.filter((each) => each.includes('.')).map((each) => each.split('.')[0] ?? '');
    t.notOk(
      outer.some((each) => numbers.includes(each)),
      `${id}: ${numbers.join(' ')}`,
    );
    for (const number of numbers) t.match(number, /^[1-9]\d*(\.[1-9]\d*)?$/, id);
  }
  t.end();
});
