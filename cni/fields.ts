import { CniError, cniCodes } from './cni-error.ts';

/**
 * An object of a configuration, read field by field. Each reader throws CniError `decodingFailure` and names the field.
 * Names are found whatever their case, as Go's encoding/json finds them: containerd sends `HostPort` for `hostPort`.
 */
export class Fields {
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #path: string;

  /** @param path of the object in the configuration; empty: the configuration itself */
  constructor(value: unknown, path = '') {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw wrong(path === '' ? 'the configuration' : path, 'no object');
    }
    this.#object = value as Readonly<Record<string, unknown>>;
    this.#path = path;
  }

  /** The object itself, with what nobody asked for. */
  get raw(): Readonly<Record<string, unknown>> {
    return this.#object;
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  string(name: string): string | undefined {
    const value = this.#find(name);
    if (value === undefined || typeof value === 'string') return value;
    throw wrong(this.#place(name), 'no string');
  }

  /** A whole number that is not negative. */
  count(name: string): number | undefined {
    const value = this.#find(name);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    throw wrong(this.#place(name), 'no whole number');
  }

  strings(name: string): readonly string[] {
    return this.#list(name).map((item, i) => {
      if (typeof item === 'string') return item;
      throw wrong(`${this.#place(name)}[${i}]`, 'no string');
    });
  }

  object(name: string): Fields | undefined {
    return this.has(name) ? new Fields(this.#find(name), this.#place(name)) : undefined;
  }

  objects(name: string): readonly Fields[] {
    return this.#list(name).map((item, i) => new Fields(item, `${this.#place(name)}[${i}]`));
  }

  /** A list of lists of objects. */
  objectLists(name: string): readonly (readonly Fields[])[] {
    return this.#list(name).map((inner, i) => {
      const place = `${this.#place(name)}[${i}]`;
      if (!Array.isArray(inner)) throw wrong(place, 'no list');
      return inner.map((item, j) => new Fields(item, `${place}[${j}]`));
    });
  }

  #list(name: string): readonly unknown[] {
    const value = this.#find(name) ?? [];
    if (Array.isArray(value)) return value;
    throw wrong(this.#place(name), 'no list');
  }

  /** Null is as good as nothing. */
  #find(name: string): unknown {
    const exact = this.#object[name] ?? undefined;
    if (exact !== undefined) return exact;
    const lower = name.toLowerCase();
    const key = Object.keys(this.#object).find((each) => each.toLowerCase() === lower);
    return key === undefined ? undefined : (this.#object[key] ?? undefined);
  }

  #place(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`;
  }
}

/** The configuration's text. @throws CniError `decodingFailure` */
export function parseFields(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const details = cause instanceof Error ? cause.message : String(cause);
    throw new CniError(cniCodes.decodingFailure, 'the configuration is no JSON', details, { cause });
  }
  return new Fields(value);
}

function wrong(place: string, what: string): CniError {
  return new CniError(cniCodes.decodingFailure, `${place} is ${what}`);
}
