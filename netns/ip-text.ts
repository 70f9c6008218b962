import { isIPv4, isIPv6 } from 'node:net';

/**
 * Addresses between text and numbers. ipaddr.js does the same at several times the cost, which the routes, neighbours
 * and ranges of thousands of peers make a visible pause.
 */

/** The four bytes of an IPv4 address; undefined for text that is none. Strict: not `10.1`, as inet_aton(3) takes. */
export function parseIPv4(text: string): number[] | undefined {
  return isIPv4(text) ? text.split('.').map(Number) : undefined;
}

/** The eight 16-bit groups of an IPv6 address, whose zone does not count; undefined for text that is none. */
export function parseIPv6(text: string): number[] | undefined {
  if (/[.%]/.test(text)) return isIPv6(text) ? parseIPv6(renderPlainly(text)) : undefined;
  const groups: number[] = [];
  /** How many groups stand before `::`. */
  let gap = -1;
  for (let at = 0; at < text.length; at += 1) {
    if (text.startsWith('::', at) && gap < 0) {
      gap = groups.length;
      at += 2;
      if (at === text.length) break;
    } else if (at > 0 && text[at++] !== ':') return undefined;
    let [group, end] = [0, at];
    for (let digit = hexDigit(text, end); digit >= 0; digit = hexDigit(text, end)) {
      group = group * 16 + digit;
      end += 1;
    }
    if (end === at || end > at + 4) return undefined;
    groups.push(group);
    at = end - 1;
  }
  if (gap < 0) return groups.length === 8 ? groups : undefined;
  if (groups.length > 7) return undefined;
  return groups.toSpliced(gap, 0, ...new Array<number>(8 - groups.length).fill(0));
}

/** Without a zone, and with the IPv4 address at the end as the two groups that it is (RFC 4291, 2.2). */
function renderPlainly(text: string): string {
  const [address = ''] = text.split('%', 1);
  return address.replace(/[\d.]+$/, (last) => {
    const bytes = parseIPv4(last);
    return bytes ? Buffer.from(bytes).toString('hex').replace(/..../, '$&:') : last;
  });
}

/** The value of the digit at this place; negative where there is none. */
function hexDigit(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** The text of four bytes. */
export function renderIPv4(bytes: Uint8Array): string {
  return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
}

/** The canonical text of eight 16-bit groups: the longest run of two zeros or more, the first of equals, is `::` (RFC 5952). */
export function renderIPv6(groups: readonly number[]): string {
  let [start, length] = [0, 1];
  for (let at = 0, run = 0; at < groups.length; at += 1) {
    run = groups[at] === 0 ? run + 1 : 0;
    if (run > length) [start, length] = [at - run + 1, run];
  }
  if (length === 1) [start, length] = [-1, 0];
  let text = '';
  for (let at = 0; at < groups.length; at += 1) {
    if (at === start) {
      text += '::';
      at += length - 1;
    } else {
      text += (text === '' || at === start + length ? '' : ':') + (groups[at] ?? 0).toString(16);
    }
  }
  return text;
}
