import { RulesError } from './error.ts';

/** One element of a set (without value) or map of our table, as the kernel keeps it: see nftables-bytes.ts. */
export interface Element {
  /** The set's or map's name. */
  readonly object: string;
  /** What distinguishes it from the object's other elements. */
  readonly key: Buffer;
  readonly value: Buffer | undefined;
  /** For people who read `nft list table inet weft`. */
  readonly comment?: string | undefined;
}

/**
 * Elements that go and come together or not at all. All that goes does so before anything comes: an element's value
 * cannot be changed in place. Each is read once, front to back.
 */
export interface NftTransaction {
  readonly removed: Iterable<Element>;
  readonly added: Iterable<Element>;
}

/** What our table is made of, elements aside. */
export interface Layout {
  /** Each chain's hook and rules: equal texts do the same. */
  readonly chains: ReadonlyMap<string, string>;
  /** Names of sets and maps. */
  readonly objects: ReadonlySet<string>;
}

/**
 * The nftables backend's way to the kernel for everything that is not text for `nft`, in the network namespace that the
 * calling thread is in. Tests hand in their own, or wrap this one.
 */
export interface NftDoor {
  /** Counts up by one with every transaction in this network namespace, whoever makes it; undefined: it cannot tell. */
  generation(): number | undefined;
  /** Undefined when there is no table of ours. */
  readLayout(): Layout | undefined;
  /**
   * Calls `visit` with each element of a set or map; one that is missing has none. The bytes are only valid during the
   * call. Returns false when rules were changed meanwhile: elements may be missing then, or come twice.
   */
  readElements(object: string, visit: (element: Element) => void): boolean;
  /**
   * Writes in one transaction.
   * @throws ElementRefusal when the kernel refuses; everything then is as before.
   */
  apply(transaction: NftTransaction): void;
}

/** The kernel refused a transaction because of one element. */
export class ElementRefusal extends RulesError {
  /** The element at fault, if the kernel said which. */
  readonly element: Pick<Element, 'object' | 'key'> | undefined;

  constructor(message: string, element: ElementRefusal['element'], options?: { cause?: unknown }) {
    super('REFUSED', message, options);
    this.element = element;
  }
}
