import type { Outcome, Packet, Step, Trace } from '../../iptables/trace/packet.ts';

/** A trace for people: what can happen, each with the rules that decide it, or all that had an effect. */
export function renderTrace(packet: Packet, { outcomes }: Trace, { verbose }: { verbose: boolean }): string {
  const { source, destination, port, protocol } = packet;
  const sent = `${source} → ${endpointText(destination, port)}/${protocol}`;
  const parts = outcomes.map((outcome) => {
    const steps = outcome.steps.filter((step) => verbose || isTelling(step));
    return [titleOf(outcome), ...steps.flatMap((step) => [...stepLines(step)])];
  });
  return [[sent], ...parts].map((lines) => lines.map((line) => `${line}\n`).join('')).join('\n');
}

/** Whether a step decides, or says by an element's comment which Service the packet belongs to. */
function isTelling({ decides, elements }: Step): boolean {
  return decides || elements.some((element) => element.includes(' comment "'));
}

function titleOf({ verdict, probability, address, port, masqueraded, answer, decidedBy }: Outcome): string {
  const chance = `${(100 * probability).toFixed(1)} %`.padStart(7);
  const source = masqueraded ? ", masqueraded: seen with this node's address" : '';
  const words = {
    forward: `forwarded to ${endpointText(address, port)}${source}`,
    pass: `goes where it is sent${source}${decidedBy ? '' : ': no rule is about it'}`,
    reject: `rejected: ${answer === 'reset' ? 'connection refused (TCP reset)' : 'port unreachable (ICMP)'}`,
    drop: 'dropped: nobody answers',
  };
  return `${chance}  ${words[verdict]}`;
}

function* stepLines({ chain, rule, elements }: Step): Generator<string> {
  yield `${' '.repeat(9)}${chain}: ${rule}`;
  for (const element of elements) yield `${' '.repeat(13)}${element}`;
}

function endpointText(address: string, port: number): string {
  return `${address.includes(':') ? `[${address}]` : address}:${String(port)}`;
}
