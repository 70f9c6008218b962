/**
 * A few of many sentences, so that one cause does not fill a screen: those left out are the last one, `and 7 more`.
 * @param rest what the last one calls them
 */
export function abridge(sentences: readonly string[], most: number, rest = 'more'): string[] {
  const left = sentences.length - most;
  return left > 0 ? [...sentences.slice(0, most), `and ${left} ${rest}`] : [...sentences];
}
