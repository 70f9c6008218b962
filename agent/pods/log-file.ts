/** One entry of a log in the CRI's format: `<RFC 3339 with nanoseconds> <stdout|stderr> <F|P> <text>`. */
export interface LogEntry {
  readonly time: string;
  readonly stream: string;
  /** A part of a line whose end is still to come. */
  readonly partial: boolean;
  readonly text: Buffer;
}

const space = 0x20;

/** Parses one line without its newline; undefined when it is none (a line being written). */
export function parseLogLine(line: Buffer): LogEntry | undefined {
  const first = line.indexOf(space);
  const second = line.indexOf(space, first + 1);
  const third = line.indexOf(space, second + 1);
  if (first < 0 || second < 0 || third < 0) return undefined;
  const tag = line.toString('latin1', second + 1, third);
  return {
    time: line.toString('latin1', 0, first),
    stream: line.toString('latin1', first + 1, second),
    partial: tag.startsWith('P'),
    text: line.subarray(third + 1),
  };
}

/** What `kubectl logs` shows of an entry. */
export function renderLogEntry(entry: LogEntry, timestamps: boolean): Buffer {
  const end = entry.partial ? '' : '\n';
  // conmon writes UTC as an offset, kubectl's users know it as Z.
  const time = entry.time.replace(/[+-]00:00$/, 'Z');
  return Buffer.concat([Buffer.from(timestamps ? `${time} ` : ''), entry.text, Buffer.from(end)]);
}
