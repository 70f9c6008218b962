/** A readable query. One object is used again and again: see {@link copyQuery}. */
export interface Query {
  /** The message as it came. */
  packet: Buffer;
  id: number;
  /** The header's flag word. */
  flags: number;
  /** The question's name, ASCII letters in lower case, in wire form: one character per byte, root label included. */
  name: string;
  type: number;
  class: number;
  /** Where the question ends in {@link packet}. */
  questionEnd: number;
  /** Labels of the name without the root, and where each starts in {@link name}. */
  labels: number;
  labelStarts: Uint8Array;
  /** Whether the client speaks EDNS (RFC 6891), its version, and whether it asks for DNSSEC records. */
  edns: boolean;
  ednsVersion: number;
  dnssecOk: boolean;
  /** The largest answer the client takes over this transport. */
  limit: number;
}
