import t from 'tap';
import { duplicateFields } from '../../../../api/server/http/duplicate-fields.ts';

t.test('fields that a JSON text has twice', (t) => {
  for (const [text, ...paths] of [
    ['{}'],
    ['1'],
    ['{"a": 1, "b": {"a": 2}, "c": [{"a": 3}, {"a": 4}]}'],
    ['{"a": 1, "a": 2}', 'a'],
    ['{"a": 1, "a": 2, "a": 3}', 'a'],
    ['{"a" : 1 , "a" : [ ]}', 'a'],
    ['{"a": {"b": 1, "b": 2}, "c": {"b": 1}}', 'a.b'],
    ['{"a": [{"b": 1}, {"b": 1, "b": {"c": 1}}, "x", {"d": 1, "d": 1}]}', 'a[1].b', 'a[3].d'],
    ['[{"a": 1, "a": 1}]', '[0].a'],
    ['{"a": 1, "\\u0061": 2}', 'a'],
    ['{"a": "\\": \\": \\":", "b": "x\\":"}'],
    ['{"a": "\\"a\\": 1", "a": "\\\\"}', 'a'],
    ['{"a\\\\": 1, "a\\\\": 2}', 'a\\'],
    ['{"a": ":", "b": "{\\"b\\": [", "c": "}]"}'],
    ['{"a": ["\\": ", "b"], "a": {"b": ","}}', 'a'],
    ['{"__proto__": 1, "__proto__": 2}', '__proto__'],
  ] as const) {
    t.strictSame(duplicateFields(text, JSON.parse(text)), paths, text);
  }
  t.end();
});
