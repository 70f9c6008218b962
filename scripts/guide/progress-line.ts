import type { WriteStream } from 'node:tty';

/** A progress display: one line that redraws itself on a terminal, one plain line per check elsewhere. */
export class ProgressLine {
  readonly #out: WriteStream;
  readonly #total: number;
  readonly #startedAt = performance.now();
  #done = 0;
  #name = '';

  constructor(out: WriteStream, total: number) {
    this.#out = out;
    this.#total = total;
  }

  begin(name: string): void {
    this.#name = name;
    this.show('');
  }

  /** Shows the command that runs now. */
  show(command: string): void {
    if (!this.#out.isTTY) return;
    const bar = '█'.repeat(this.#done).padEnd(this.#total, '·');
    const line = `${bar} ${this.#done}/${this.#total}  ${this.#name}${command ? `  $ ${command}` : ''}`;
    this.#out.write(`\r\x1b[2K${line.slice(0, this.#out.columns - 1)}`);
  }

  end(ok: boolean): void {
    this.#done += 1;
    if (this.#out.isTTY) return;
    const seconds = ((performance.now() - this.#startedAt) / 1000).toFixed(1).padStart(5);
    this.#out.write(
      `${seconds} s  ${String(this.#done).padStart(2)}/${this.#total}  ${ok ? 'ok  ' : 'FAIL'}  ${this.#name}\n`,
    );
  }

  clear(): void {
    this.#out.write(this.#out.isTTY ? '\r\x1b[2K' : '\n');
  }
}
