import { RulesError } from '../error.ts';

/** One option of a rule with its arguments: `! --dport 80`. */
export interface Option {
  readonly name: string;
  readonly negated: boolean;
  readonly values: readonly string[];
}

/** A rule taken apart: the matches by module (`''`: those that need none), and the target with its options. */
export interface ParsedRule {
  readonly matches: ReadonlyMap<string, readonly Option[]>;
  readonly target:
    { readonly name: string; readonly goto: boolean; readonly options: readonly Option[] } | undefined;
}

interface Word {
  readonly text: string;
  readonly quoted: boolean;
}

/** Takes apart what follows `-A CHAIN ` in the output of iptables-save, without knowing what it means. */
export function parseRule(text: string): ParsedRule {
  const matches = new Map<string, Option[]>();
  let target: { name: string; goto: boolean; options: Option[] } | undefined;
  let module = '';
  for (const option of parseOptions(splitWords(text))) {
    const [value = ''] = option.values;
    if (option.name === '-m') {
      module = value;
      // One module may stand in a rule more than once (`recent`); all that it says must be true.
      if (!matches.has(module)) matches.set(module, []);
    } else if (option.name === '-j' || option.name === '-g') {
      target = { name: value, goto: option.name === '-g', options: [] };
    } else if (target) target.options.push(option);
    else {
      const place = /^-[sdiop]$/.test(option.name) ? '' : module;
      const known = matches.get(place);
      if (known) known.push(option);
      else matches.set(place, [option]);
    }
  }
  return { matches, target };
}

function parseOptions(words: readonly Word[]): Option[] {
  const options: Option[] = [];
  let negated = false;
  for (let at = 0; at < words.length;) {
    const word = words[at++];
    if (!word) break;
    if (word.text === '!' && !word.quoted) {
      negated = true;
      continue;
    }
    if (word.quoted || !word.text.startsWith('-')) {
      throw new RulesError('UNREADABLE', `an option was expected at ${JSON.stringify(word.text)}`);
    }
    const values: string[] = [];
    // A comment without quotes can look like an option.
    const atLeast = word.text === '--comment' ? 1 : 0;
    while (at < words.length && (values.length < atLeast || isValue(words[at])))
      values.push(words[at++]?.text ?? '');
    options.push({ name: word.text, negated, values });
    negated = false;
  }
  return options;
}

function isValue(word: Word | undefined): boolean {
  return word !== undefined && (word.quoted || (word.text !== '!' && !/^-[-a-zA-Z]/.test(word.text)));
}

/** Splits a line as iptables-restore does: double quotes hold words together, a backslash in them takes the next as is. */
function splitWords(text: string): Word[] {
  const words: Word[] = [];
  for (const match of text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)) {
    const [, quoted, bare] = match;
    if (quoted === undefined) words.push({ text: bare ?? '', quoted: false });
    else words.push({ text: quoted.replaceAll(/\\(.)/g, '$1'), quoted: true });
  }
  return words;
}
