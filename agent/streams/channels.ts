import type { Readable, Writable } from 'node:stream';
import type { Status } from '../../api/kinds/meta.ts';

/** Which of a process's streams the client asked for. */
export interface WantedChannels {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** A client's end of one exec or attach, the same over WebSocket and SPDY. */
export interface Channels {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  /** Called for each size of the client's terminal. */
  onResize(listener: (columns: number, rows: number) => void): void;
  /** Tells the client how it ended and closes; stdout and stderr must be written out before. */
  finish(status: Status): void;
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>;
}

/**
 * Reads terminal sizes (`{"Width":80,"Height":24}`, one JSON object after the other) out of text that may be cut
 * anywhere.
 */
export class SizeParser {
  #text = '';

  *push(text: string): Generator<{ readonly columns: number; readonly rows: number }> {
    this.#text += text;
    for (let end = this.#text.indexOf('}'); end >= 0; end = this.#text.indexOf('}')) {
      const size = parseSize(this.#text.slice(0, end + 1));
      this.#text = this.#text.slice(end + 1);
      if (size) yield size;
    }
    // A size takes some thirty characters; anything longer without an end is none.
    if (this.#text.length > 1024) this.#text = '';
  }
}

function parseSize(text: string): { columns: number; rows: number } | undefined {
  try {
    const { Width, Height } = JSON.parse(text) as { Width?: unknown; Height?: unknown };
    if (!isSize(Width) || !isSize(Height)) return undefined;
    return { columns: Width, rows: Height };
  } catch {
    // kubelet, too, passes over sizes it cannot read: a wrong size must not end the session.
    return undefined;
  }
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 0xffff;
}
