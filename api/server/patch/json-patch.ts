import { isDeepStrictEqual } from 'node:util';
import { checkDepth, isObject, withFields } from './json.ts';
import { PatchError } from './patch-error.ts';

const MAX_OPERATIONS = 10_000;
/** So that no sequence of operations nests deeper than a recursive walk survives. */
const MAX_TOKENS = 200;

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from: string | undefined;
  readonly value: unknown;
}

/** JSON patch (RFC 6902). Throws 400 for what is no patch and 422 for an operation that cannot be done. */
export function applyJsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw new PatchError(400, 'a JSON patch is a list of operations');
  if (patch.length > MAX_OPERATIONS) {
    throw new PatchError(
      400,
      `a JSON patch has at most ${MAX_OPERATIONS} operations, this one ${patch.length}`,
    );
  }
  const carry = limitedCarrier();
  const operations = patch.map(parseOperation);
  return operations.reduce(
    (document: unknown, operation) => applyOperation(document, operation, carry),
    target,
  );
}

/** Takes a value along to another place. */
type Carry = (value: unknown, path: string) => unknown;

/** Copies of copies grow exponentially: all that one patch may carry, in characters of JSON. */
const MAX_CARRIED = 3 * 1024 * 1024;

function limitedCarrier(): Carry {
  let left = MAX_CARRIED;
  return (value, path) => {
    checkDepth(value);
    left -= JSON.stringify(value).length;
    if (left < 0) throw failed(path, `a patch copies and moves at most ${MAX_CARRIED} characters`);
    return value;
  };
}

const operationFields = new Set(['op', 'path', 'from', 'value']);

/** Fields of operations that RFC 6902 does not have, in words. */
export function unknownOperationFields(patch: unknown): string[] {
  if (!Array.isArray(patch)) return [];
  return patch.flatMap((operation, index) => {
    const names = isObject(operation) ? Object.keys(operation) : [];
    const unknown = names.filter((name) => !operationFields.has(name));
    return unknown.map((name) => `json patch unknown field "[${index}].${name}"`);
  });
}

function parseOperation(each: unknown, index: number): Operation {
  const at = `operation ${index} of the JSON patch`;
  if (!isObject(each)) throw new PatchError(400, `${at} is not an object`);
  const { op, path, from, value } = each;
  if (typeof op !== 'string') throw new PatchError(400, `${at} has no "op"`);
  if (typeof path !== 'string') throw new PatchError(400, `${at} has no "path"`);
  const needsFrom = op === 'move' || op === 'copy';
  if (needsFrom && typeof from !== 'string') throw new PatchError(400, `${at} has no "from"`);
  const needsValue = op === 'add' || op === 'replace' || op === 'test';
  if (needsValue && value === undefined) throw new PatchError(400, `${at} has no "value"`);
  return { op, path, from: typeof from === 'string' ? from : undefined, value };
}

function applyOperation(document: unknown, { op, path, from = '', value }: Operation, carry: Carry): unknown {
  switch (op) {
    case 'add':
      return change(document, parsePointer(path), { type: 'add', value });
    case 'remove':
      return change(document, parsePointer(path), { type: 'remove' });
    case 'replace':
      return change(document, parsePointer(path), { type: 'replace', value });
    case 'copy':
      return change(document, parsePointer(path), { type: 'add', value: carry(read(document, from), path) });
    case 'move': {
      const moved = carry(read(document, from), path);
      if (path.startsWith(`${from}/`)) throw failed(path, 'a value cannot move into itself');
      const without = change(document, parsePointer(from), { type: 'remove' });
      return change(without, parsePointer(path), { type: 'add', value: moved });
    }
    case 'test':
      if (isDeepStrictEqual(read(document, path), value)) return document;
      throw failed(path, 'the value is not the tested one');
    default:
      throw new PatchError(400, `unexpected JSON patch operation ${JSON.stringify(op)}`);
  }
}

type Change = { readonly type: 'add' | 'replace'; readonly value: unknown } | { readonly type: 'remove' };

/** A copy of `document` with the value at `tokens` changed; what is beside the path is shared. */
function change(document: unknown, tokens: readonly string[], how: Change): unknown {
  const [token, ...rest] = tokens;
  if (token === undefined) {
    if (how.type === 'remove') throw failed('', 'the whole object cannot be removed');
    return how.value;
  }
  if (Array.isArray(document)) return changeList(document, token, rest, how);
  if (!isObject(document)) throw failed(token, 'there is no object or list that could have this field');
  const exists = Object.hasOwn(document, token);
  if (!exists && (rest.length > 0 || how.type !== 'add')) throw failed(token, 'there is no such field');
  if (rest.length > 0) return withFields(document, [[token, change(document[token], rest, how)]]);
  return withFields(document, [[token, how.type === 'remove' ? undefined : how.value]]);
}

function changeList(
  list: readonly unknown[],
  token: string,
  rest: readonly string[],
  how: Change,
): unknown[] {
  const adds = rest.length === 0 && how.type === 'add';
  const index = token === '-' && adds ? list.length : parseIndex(token);
  if (index > (adds ? list.length : list.length - 1))
    throw failed(token, `the list has ${list.length} elements`);
  if (rest.length > 0) return list.with(index, change(list[index], rest, how));
  if (how.type === 'remove') return list.toSpliced(index, 1);
  return how.type === 'add' ? list.toSpliced(index, 0, how.value) : list.with(index, how.value);
}

function read(document: unknown, pointer: string): unknown {
  let value = document;
  for (const token of parsePointer(pointer)) {
    if (Array.isArray(value) && parseIndex(token) < value.length) value = value[parseIndex(token)] as unknown;
    else if (isObject(value) && Object.hasOwn(value, token)) value = value[token];
    else throw failed(pointer, 'there is no such value');
  }
  return value;
}

/** RFC 6901. */
function parsePointer(pointer: string): string[] {
  if (pointer === '') return [];
  if (!pointer.startsWith('/'))
    throw new PatchError(400, `the path ${JSON.stringify(pointer)} does not start with /`);
  const tokens = pointer.slice(1).split('/');
  if (tokens.length > MAX_TOKENS) throw new PatchError(400, `a path has at most ${MAX_TOKENS} parts`);
  return tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function parseIndex(token: string): number {
  if (/^(0|[1-9]\d{0,8})$/.test(token)) return Number(token);
  throw failed(token, 'a list needs an index');
}

function failed(path: string, detail: string): PatchError {
  return new PatchError(422, `the JSON patch cannot be applied at ${JSON.stringify(path)}: ${detail}`);
}
