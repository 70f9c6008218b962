/**
 * The paths of fields that a JSON text has more than once in one object, e.g. `spec.ports[0].port`. JSON.parse keeps
 * the last of them and says nothing. `text` has been parsed: `value` is what came of it.
 */
export function duplicateFields(text: string, value: unknown): string[] {
  return mayRepeat(text, value) ? findDuplicates(text) : [];
}

/**
 * Whether more fields are written than came out. Exact for the answer no: every field has a quote and a colon behind
 * its name, and what looks like one within a string only makes the count larger. It costs a tenth of the search.
 */
function mayRepeat(text: string, value: unknown): boolean {
  // A name that ends with a backslash would be missed.
  if (text.includes('\\\\"')) return true;
  return (text.match(/(?<!\\)"\s*:/g) ?? []).length !== countFields(value);
}

function countFields(value: unknown): number {
  let count = 0;
  const open: unknown[] = [value];
  while (open.length > 0) {
    const each = open.pop();
    if (typeof each !== 'object' || each === null) continue;
    const values: unknown[] = Object.values(each);
    if (!Array.isArray(each)) count += values.length;
    for (const inner of values) if (typeof inner === 'object') open.push(inner);
  }
  return count;
}

/** An object or list that the search is in. */
interface Frame {
  readonly path: string;
  /** The names so far; lists have none. */
  readonly names: Set<string> | undefined;
  /** The field the search is at; undefined before its name. */
  name: string | undefined;
  index: number;
}

function findDuplicates(text: string): string[] {
  const found = new Set<string>();
  const frames: Frame[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const frame = frames.at(-1);
    switch (text[at]) {
      case '{':
      case '[':
        frames.push(openFrame(pathOf(frame), text[at] === '{'));
        break;
      case '}':
      case ']':
        frames.pop();
        break;
      case ',':
        if (frame) Object.assign(frame, { name: undefined, index: frame.index + 1 });
        break;
      case '"': {
        const end = endOfString(text, at);
        if (frame?.names && frame.name === undefined) {
          frame.name = JSON.parse(text.slice(at, end + 1)) as string;
          if (frame.names.has(frame.name)) found.add(pathOf(frame));
          frame.names.add(frame.name);
        }
        at = end;
        break;
      }
    }
  }
  return [...found];
}

function openFrame(path: string, isObject: boolean): Frame {
  return { path, names: isObject ? new Set() : undefined, name: undefined, index: 0 };
}

function pathOf(frame: Frame | undefined): string {
  if (!frame) return '';
  if (!frame.names) return `${frame.path}[${frame.index}]`;
  return frame.path === '' ? (frame.name ?? '') : `${frame.path}.${frame.name ?? ''}`;
}

/** The index of the quote that ends the string beginning at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at;
  }
  return text.length;
}
