/** One command of a document and what the document says that it prints. */
export interface TranscriptStep {
  readonly command: string;
  /** Lines; one of `...` stands for any number of lines. */
  readonly output: readonly string[];
  /** The command's line in the document. */
  readonly line: number;
}

/** What a document's own addresses, pod names and ports are in this run, by the document's. */
export type Bindings = ReadonlyMap<string, string>;

/** The commands in a Markdown document's `console` blocks: lines that begin with `$ `, and what follows them. */
export function readTranscript(markdown: string): TranscriptStep[] {
  const steps: { command: string; output: string[]; line: number }[] = [];
  let inConsole = false;
  for (const [index, text] of markdown.split('\n').entries()) {
    if (text.startsWith('```')) inConsole = text === '```console';
    else if (inConsole && text.startsWith('$ '))
      steps.push({ command: text.slice(2), output: [], line: index + 1 });
    else if (inConsole) steps.at(-1)?.output.push(text);
  }
  return steps;
}

/** A text of the document in this run's words. */
export function translate(text: string, bindings: Bindings): string {
  return text.replaceAll(anyVariable, (name) => bindings.get(name) ?? name);
}

/**
 * Whether `actual` is what the document says, line for line and word for word. Words that differ from run to run
 * (addresses, pod names, NodePorts) are taken over at their first appearance and must be the same ever after; ages
 * and nodes are whatever they are. Returns all bindings then, or what does not fit.
 */
export function matchOutput(
  expected: readonly string[],
  actual: readonly string[],
  known: Bindings,
): { readonly bindings: Bindings } | { readonly mismatch: string } {
  const bindings = new Map(known);
  let at = 0;
  for (const [index, line] of expected.entries()) {
    if (line.trim() === '...') continue;
    const isFree = expected[index - 1]?.trim() === '...';
    while (isFree && at < actual.length && !matchLine(line, actual[at] ?? '', new Map(bindings))) at += 1;
    if (!matchLine(line, actual[at] ?? '', bindings))
      return { mismatch: `line ${index + 1}: "${actual[at] ?? '(nothing)'}" instead of "${line}"` };
    at += 1;
  }
  if (at < actual.length && expected.at(-1)?.trim() !== '...')
    return { mismatch: `"${actual[at]}" is not in the document` };
  return { bindings };
}

/** Standing addresses of every lab are no variables: kubernetes, kube-dns and the hosts themselves. */
const addressPattern = String.raw`\b(?!10\.96\.0\.1\b|10\.96\.0\.10\b|172\.30\.0\.1\d\b)\d+\.\d+\.\d+\.\d+\b`;
const namePattern = String.raw`\b(?:my-nginx|curlrc)-[a-z0-9]{5}\b`;
const nodePortPattern = String.raw`\b3[0-2]\d{3}\b`;
const anyVariable = new RegExp([addressPattern, namePattern, nodePortPattern].join('|'), 'g');
/** `12s`, `3m5s`, `8d`: an age; `node2`: where the scheduler put a pod. */
const anything = /^(?:(?:\d+[smhd])+|node\d)$/;

/** Compares word by word and, where all fit, notes the words that are new. */
function matchLine(expected: string, actual: string, bindings: Map<string, string>): boolean {
  const wanted = words(expected);
  const found = words(actual);
  const tried = new Map(bindings);
  const fits =
    wanted.length === found.length && wanted.every((word, i) => matchWord(word, found[i] ?? '', tried));
  if (fits) for (const [name, value] of tried) bindings.set(name, value);
  return fits;
}

function matchWord(expected: string, actual: string, bindings: Map<string, string>): boolean {
  if (anything.test(expected)) return anything.test(actual);
  const names = expected.match(anyVariable) ?? [];
  if (names.every((name) => bindings.has(name)))
    return renderSet(translate(expected, bindings)) === renderSet(actual);
  const values = actual.match(anyVariable) ?? [];
  const taken = new Set(bindings.values());
  const isPossible = (name: string, value = ''): boolean =>
    bindings.has(name) ? bindings.get(name) === value : !taken.has(value);
  if (names.length !== values.length || !names.every((name, i) => isPossible(name, values[i]))) return false;
  if (expected.replaceAll(anyVariable, '') !== actual.replaceAll(anyVariable, '')) return false;
  for (const [i, name] of names.entries()) bindings.set(name, values[i] ?? '');
  return true;
}

/** Lists of addresses (`a:80,b:80`) are sets: their order says nothing. */
function renderSet(word: string): string {
  return word.split(',').sort().join();
}

function words(line: string): string[] {
  return line.split(/\s+/).filter(Boolean);
}
