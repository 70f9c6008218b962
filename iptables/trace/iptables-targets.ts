import type { Option, ParsedRule } from './iptables-words.ts';
import { parseMasked } from './iptables-matches.ts';
import { parseAddress } from './packet.ts';
import type { Flight } from './packet.ts';
import type { Branch, Verdict } from './program.ts';

/** What a rule does with a packet that fits. */
export interface Effect {
  readonly act: (flight: Flight) => Branch;
  /** Whether it rewrites or stops the packet, instead of only leading on. */
  readonly decides: boolean;
  /** Whether it makes no difference to the packet. */
  readonly idle?: boolean;
}

const decided = (verdict: Verdict): Effect => ({ act: (flight) => ({ flight, verdict }), decides: true });
const led = (verdict: Verdict): Effect => ({ act: (flight) => ({ flight, verdict }), decides: false });

/** Targets after which the next rule has its word, and that change nothing that another rule here looks at. */
const idle = [
  'LOG',
  'NFLOG',
  'AUDIT',
  'TRACE',
  'CHECKSUM',
  'TCPMSS',
  'TCPOPTSTRIP',
  'DSCP',
  'TOS',
  'TTL',
  'HL',
];

/** The effect of a rule's target; undefined when this tracer does not know it. */
export function compileTarget(target: ParsedRule['target'], chains: ReadonlySet<string>): Effect | undefined {
  if (!target || idle.includes(target.name)) return { ...led({ kind: 'continue' }), idle: true };
  if (chains.has(target.name)) return led({ kind: target.goto ? 'goto' : 'jump', chain: target.name });
  switch (target.name) {
    case 'ACCEPT':
      return led({ kind: 'accept' });
    case 'RETURN':
      return led({ kind: 'return' });
    case 'DROP':
      return decided({ kind: 'drop' });
    case 'REJECT':
      return compileReject(target.options);
    case 'DNAT':
      return compileDnat(target.options);
    case 'MASQUERADE':
      return rewritingSource;
    case 'SNAT':
      return target.options.every(({ name }) =>
        ['--to-source', '--random', '--random-fully', '--persistent'].includes(name),
      )
        ? rewritingSource
        : undefined;
    case 'MARK':
      return compileMark(target.options);
    case 'CT':
      return target.options.every(({ name }) => name === '--notrack') ? untracking : undefined;
    default:
      return undefined;
  }
}

const rewritingSource: Effect = {
  decides: true,
  act: (flight) => ({
    flight: { ...flight, masqueraded: true, settled: { ...flight.settled, source: true } },
    verdict: { kind: 'accept' },
  }),
};

const untracking: Effect = {
  decides: false,
  act: (flight) => ({ flight: { ...flight, tracked: false }, verdict: { kind: 'continue' } }),
};

function compileReject(options: readonly Option[]): Effect | undefined {
  const [option] = options;
  if (options.length > 1 || (option && option.name !== '--reject-with')) return undefined;
  return decided({ kind: 'reject', answer: option?.values[0] === 'tcp-reset' ? 'reset' : 'unreachable' });
}

/** One address, with or without port: a range would be another kind of choice. */
function compileDnat(options: readonly Option[]): Effect | undefined {
  const [to, ...others] = options;
  const harmless = ['--random', '--persistent'];
  if (to?.name !== '--to-destination' || !others.every(({ name }) => harmless.includes(name)))
    return undefined;
  const match =
    /^(?:\[(?<six>[^\]]+)\]|(?<four>[\d.]+)|(?<bare>[\da-f:]+:[\da-f:]*))(?::(?<port>\d+))?$/i.exec(
      to.values[0] ?? '',
    );
  const { six, four, bare, port } = match?.groups ?? {};
  const text = six ?? four ?? bare;
  if (text === undefined) return undefined;
  const destination = parseAddress(text);
  return {
    decides: true,
    act: (flight) => ({
      flight: {
        ...flight,
        destination,
        port: port === undefined ? flight.port : Number(port),
        rewritten: true,
        settled: { ...flight.settled, destination: true },
      },
      verdict: { kind: 'accept' },
    }),
  };
}

function compileMark([option, ...others]: readonly Option[]): Effect | undefined {
  if (others.length > 0 || option?.name !== '--set-xmark') return undefined;
  const [value, mask] = parseMasked(option.values[0] ?? '');
  return {
    decides: false,
    act: (flight) => ({
      flight: { ...flight, mark: ((flight.mark & ~mask) ^ value) >>> 0 },
      verdict: { kind: 'continue' },
    }),
  };
}
