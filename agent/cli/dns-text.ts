import { renderRecord } from '../../dns/records.ts';
import { ndotsOf } from '../../dns/search-path.ts';
import { FLAG, rcodeName, typeName } from '../../dns/wire.ts';
import type { DnsQuery, QueryExchange, QueryStep } from '../names-query/query.ts';
import type { QueryReply } from '../names-query/client.ts';
import type { AskingPod } from '../names-query/pod.ts';

const margin = ' '.repeat(9);

/** The first line: who looks up what, and how the name is completed. */
export function renderQuery({ name }: DnsQuery, pod: AskingPod | undefined): string {
  if (!pod) return '';
  const { searches, nameservers } = pod.conf;
  const search = searches.length > 0 ? `, search ${searches.join(' ')}` : '';
  return `${name} as pod ${pod.key} looks it up: nameserver ${nameservers.join(' ')}${search}, ndots:${ndotsOf(pod.conf)}\n\n`;
}

/** One step, dig-like: question, status and flags, records; then who answered and why. */
export function renderStep({ step, exchanges, differs }: QueryStep, nodeName: string): string {
  const lines = exchanges.flatMap((each) => [...exchangeLines(step.name, each, nodeName), '']);
  const note = differs
    ? ['  but    glibc goes on to the next name, musl (Alpine) ends the search here', '']
    : [];
  return [...lines, ...note].map((line) => `${line}\n`).join('');
}

function exchangeLines(
  name: string,
  { type, server, reply, failures, why }: QueryExchange,
  nodeName: string,
): string[] {
  const question = `${name === '' ? '.' : `${name}.`} ${typeName(type)} → ${server}`;
  const silent = failures.map((failure) => `${margin}${failure}`);
  if (!reply) return [question, ...silent];
  const { message } = reply;
  const records = [...message.answer, ...message.additional].map(
    (record) => `${margin}${renderRecord(record)}`,
  );
  return [
    question,
    ...silent,
    `${margin}${rcodeName(message.rcode)}, ${flagsOf(message.flags)}`,
    ...records,
    `  from   ${whoText(reply, nodeName)}`,
    ...why.map((sentence, index) => `${index === 0 ? '  why    ' : margin}${sentence}`),
  ];
}

function whoText({ server, source, protocol, bytes, milliseconds }: QueryReply, nodeName: string): string {
  const who =
    server === undefined
      ? 'a server that does not say its name'
      : `${server} (${placeText(server, nodeName)})`;
  const how = source === undefined ? '' : `: ${source}`;
  return `${who}${how}; ${bytes} bytes over ${protocol.toUpperCase()} in ${milliseconds.toFixed(1)} ms`;
}

function placeText(server: string, nodeName: string): string {
  return server === nodeName ? 'this node' : "another node: this node's server did not take it";
}

const flagNames = Object.entries(FLAG);

/** `qr aa rd ra`, as dig writes them. */
function flagsOf(flags: number): string {
  return flagNames
    .filter(([, bit]) => (flags & bit) !== 0)
    .map(([name]) => name.toLowerCase())
    .join(' ');
}

/** One step for programs. */
export function renderStepJson({ step, exchanges, outcome }: QueryStep, nodeName: string): unknown {
  return {
    name: step.name,
    searchDomain: step.domain,
    outcome,
    exchanges: exchanges.map(({ type, server, reply, failures, why }) => ({
      type: typeName(type),
      server,
      failures,
      ...(reply && renderReplyJson(reply, nodeName)),
      why,
    })),
  };
}

function renderReplyJson(reply: QueryReply, nodeName: string): object {
  const { message, protocol, bytes, milliseconds, server, source } = reply;
  return {
    rcode: rcodeName(message.rcode),
    flags: flagsOf(message.flags).split(' '),
    answer: message.answer.map(renderRecord),
    authority: message.authority.map(renderRecord),
    additional: message.additional.map(renderRecord),
    from: { node: server, isThisNode: server === nodeName, source, protocol, bytes, milliseconds },
  };
}
