/** Text that several kinds' columns share. */

/** `a=b,c=d`, sorted, or `<none>`. */
export function renderLabels(labels: Readonly<Record<string, string>> | undefined): string {
  const entries = Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return orNone(entries.map(([key, value]) => `${key}=${value}`).join(','));
}

/** At most `max` elements, then how many more there are: `a,b,c + 2 more...`. */
export function renderSome(elements: readonly string[], max = 3): string {
  const shown = elements.slice(0, max).join(',');
  return elements.length > max ? `${shown} + ${elements.length - max} more...` : shown;
}

export function orNone(text: string | undefined): string {
  return text === undefined || text === '' ? '<none>' : text;
}
