/** More different values than this are no repetition worth remembering. */
const mostKnown = 10_000;

/** Keeps one copy of values that many objects have; nobody may ever change them. */
export class SharedValues {
  readonly #known = new Map<string, unknown>();

  /** The first value that looked the same. */
  of<T>(value: T): T {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    const first = this.#known.get(text);
    if (typeof first === typeof value) return first as T;
    if (this.#known.size >= mostKnown) this.#known.clear();
    this.#known.set(text, value);
    return value;
  }
}
