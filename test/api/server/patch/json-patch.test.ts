import t from 'tap';
import { Type } from 'typebox';
import { applyPatch } from '../../../../api/server/patch/patch.ts';

const anything = Type.Any();

function jsonPatch(target: unknown, patch: unknown): unknown {
  return applyPatch('application/json-patch+json', anything, target, patch);
}

function mergePatch(target: unknown, patch: unknown): unknown {
  return applyPatch('application/merge-patch+json', anything, target, patch);
}

// RFC 6902, appendix A, and the corners of RFC 6901 pointers.
const done: [string, unknown, unknown[], unknown][] = [
  ['adds a field', { a: 1 }, [{ op: 'add', path: '/b', value: 2 }], { a: 1, b: 2 }],
  ['adds an element', { a: [1, 3] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2, 3] }],
  ['appends', { a: [1] }, [{ op: 'add', path: '/a/-', value: [2] }], { a: [1, [2]] }],
  ['adds null', {}, [{ op: 'add', path: '/a', value: null }], { a: null }],
  ['removes a field', { a: 1, b: 2 }, [{ op: 'remove', path: '/b' }], { a: 1 }],
  ['removes an element', { a: [1, 2, 3] }, [{ op: 'remove', path: '/a/1' }], { a: [1, 3] }],
  ['replaces', { a: { b: 1 } }, [{ op: 'replace', path: '/a/b', value: 2 }], { a: { b: 2 } }],
  ['replaces the whole', { a: 1 }, [{ op: 'replace', path: '', value: { b: 2 } }], { b: 2 }],
  ['moves', { a: { b: 1 }, c: {} }, [{ op: 'move', from: '/a/b', path: '/c/d' }], { a: {}, c: { d: 1 } }],
  ['copies', { a: [1] }, [{ op: 'copy', from: '/a/0', path: '/a/0' }], { a: [1, 1] }],
  ['tests', { a: { b: [1] } }, [{ op: 'test', path: '/a', value: { b: [1] } }], { a: { b: [1] } }],
  [
    'escapes',
    { 'a/b': 1, 'm~n': 2 },
    [
      { op: 'remove', path: '/a~1b' },
      { op: 'remove', path: '/m~0n' },
    ],
    {},
  ],
];

for (const [what, target, patch, expected] of done) {
  t.test(what, (t) => {
    const before = structuredClone(target);
    t.strictSame(jsonPatch(target, patch), expected);
    t.strictSame(target, before, 'the current object is untouched');
    t.end();
  });
}

const impossible: [string, number, unknown][] = [
  ['not a list', 400, {}],
  ['an operation that is no object', 400, ['x']],
  ['no op', 400, [{ path: '/a' }]],
  ['no path', 400, [{ op: 'remove' }]],
  ['no value', 400, [{ op: 'add', path: '/b' }]],
  ['no from', 400, [{ op: 'move', path: '/b' }]],
  ['an unknown op', 400, [{ op: 'spin', path: '/a' }]],
  ['a path without a slash', 400, [{ op: 'remove', path: 'a' }]],
  ['too many operations', 400, Array.from({ length: 10_001 }, () => ({ op: 'remove', path: '/a' }))],
  ['a missing field', 422, [{ op: 'remove', path: '/b' }]],
  ['a missing parent', 422, [{ op: 'add', path: '/b/c', value: 1 }]],
  ['an index beyond the end', 422, [{ op: 'add', path: '/list/3', value: 1 }]],
  ['the end of a list read', 422, [{ op: 'remove', path: '/list/-' }]],
  ['an index with a leading zero', 422, [{ op: 'remove', path: '/list/01' }]],
  ['a failed test', 422, [{ op: 'test', path: '/a', value: 2 }]],
  ['a move into itself', 422, [{ op: 'move', from: '/a', path: '/a/b' }]],
  ['a prototype for a field', 422, [{ op: 'add', path: '/__proto__/x', value: 1 }]],
];

for (const [what, code, patch] of impossible) {
  t.test(`rejects ${what}`, (t) => {
    t.throws(() => jsonPatch({ a: 1, list: [1, 2] }, patch), { name: 'PatchError', code });
    t.end();
  });
}

// RFC 7386, appendix A.
const merges: [unknown, unknown, unknown][] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

for (const [target, patch, expected] of merges) {
  t.test(`merges ${JSON.stringify(patch)} into ${JSON.stringify(target)}`, (t) => {
    t.strictSame(mergePatch(target, patch), expected);
    t.end();
  });
}

const nested = (depth: number): unknown => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);
const repeat = (count: number, operation: object) => Array.from({ length: count }, () => operation);
const bombs: [string, unknown, unknown[]][] = [
  ['copies of copies', { a: ['x'.repeat(1000)] }, repeat(40, { op: 'copy', from: '/a', path: '/a/-' })],
  [
    'many copies of much',
    { a: ['x'.repeat(100_000)] },
    repeat(40, { op: 'copy', from: '/a/0', path: '/a/-' }),
  ],
  [
    'copies that nest',
    { a: nested(150), b: nested(150) },
    [{ op: 'copy', from: '/b', path: '/a'.repeat(150) }],
  ],
  ['paths without end', { a: 1 }, [{ op: 'add', path: '/a'.repeat(100_000), value: 1 }]],
];
for (const [what, target, patch] of bombs) {
  t.test(`survives ${what}`, (t) => {
    t.throws(() => jsonPatch(target, patch), { name: 'PatchError' });
    t.end();
  });
}
