import type { WriteStream } from 'node:tty';

/** The current step: one line that replaces itself on a terminal, a line per step elsewhere. */
export class ProgressLine {
  readonly #stream: WriteStream;
  #shown = '';

  constructor(stream: WriteStream) {
    this.#stream = stream;
  }

  show(step: string): void {
    if (step === this.#shown) return;
    this.#shown = step;
    if (this.#stream.isTTY) this.#stream.write(`\r\u001b[K${step.slice(0, this.#stream.columns - 1)}`);
    else this.#stream.write(`${step}\n`);
  }

  /** Takes the line away again, for what is printed next. */
  clear(): void {
    if (this.#stream.isTTY && this.#shown !== '') this.#stream.write('\r\u001b[K');
  }
}
