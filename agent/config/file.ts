import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import type { Pair } from 'yaml';
import { settings } from './settings.ts';
import type { SettingName } from './settings.ts';

/** A value somebody gave, before it is understood, and where: `weft.yaml:3:7`, `WEFT_ZONE` or `--zone`. */
export interface GivenValue {
  readonly name: SettingName;
  readonly raw: unknown;
  readonly where: string;
}

/** One thing wrong with a configuration; `message` says what to do. */
export interface ConfigMistake {
  readonly where: string;
  readonly message: string;
}

function isSettingName(name: unknown): name is SettingName {
  return typeof name === 'string' && Object.hasOwn(settings, name);
}

/** The known name that differs least in letters and case, for "did you mean". */
function nearest(name: string): string | undefined {
  const lower = name.toLowerCase();
  return Object.keys(settings).find((known) => {
    const candidate = known.toLowerCase();
    return (
      candidate === lower ||
      (lower.length > 3 && (candidate.startsWith(lower) || lower.startsWith(candidate)))
    );
  });
}

/**
 * Reads a configuration file's text: a YAML map from setting names to values.
 * All mistakes are returned with line and column; the values that could be read are returned all the same.
 */
export function parseConfigFile(
  file: string,
  text: string,
): { values: GivenValue[]; mistakes: ConfigMistake[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  if (document.errors.length > 0) {
    const mistakes = document.errors.map((error) => ({ where: place(error.pos[0]), message: error.message }));
    return { values: [], mistakes };
  }
  if (document.contents === null) return { values: [], mistakes: [] };
  if (!isMap(document.contents)) {
    const message = 'the file is not a map: write lines of the form "zone: cluster.local"';
    return { values: [], mistakes: [{ where: place(document.contents.range[0]), message }] };
  }
  const values: GivenValue[] = [];
  const mistakes: ConfigMistake[] = [];
  const plain = document.toJS() as Record<string, unknown>;
  for (const { key } of document.contents.items as Pair[]) {
    const offset = isScalar(key) ? (key.range?.[0] ?? 0) : 0;
    const name = isScalar(key) ? key.value : undefined;
    if (isSettingName(name)) values.push({ name, raw: plain[name], where: `${place(offset)}: ${name}` });
    else mistakes.push({ where: place(offset), message: unknownSetting(String(name)) });
  }
  return { values, mistakes };
}

function unknownSetting(name: string): string {
  const near = nearest(name);
  const advice =
    near === undefined ? `known are ${Object.keys(settings).join(', ')}` : `did you mean ${near}?`;
  return `${name}: there is no such setting: ${advice}`;
}
