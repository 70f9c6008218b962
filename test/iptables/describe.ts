import type { Trace } from '../../iptables/trace/packet.ts';
import type { Expected, ExpectedPacket } from './expectation.ts';

/** One line per outcome, the same for what was expected and for what was traced. */
export function describeExpected(expected: Expected, packet: ExpectedPacket): string[] {
  switch (expected.verdict) {
    case 'forward': {
      const chance = (1 / expected.endpoints.length).toFixed(6);
      return expected.endpoints
        .map(({ address, port, masqueraded }) => line('forward', chance, address, port, masqueraded))
        .sort();
    }
    case 'pass':
      return [line('pass', '1.000000', packet.destination, packet.port, expected.masqueraded)];
    case 'reject':
      return [`reject 1.000000 ${packet.protocol === 'tcp' ? 'reset' : 'unreachable'}`];
    case 'drop':
      return ['drop 1.000000'];
  }
}

export function describeTrace({ outcomes }: Trace): string[] {
  return outcomes
    .map(({ verdict, probability, address, port, masqueraded, answer }) => {
      const chance = probability.toFixed(6);
      if (verdict === 'drop') return `drop ${chance}`;
      return verdict === 'reject'
        ? `reject ${chance} ${String(answer)}`
        : line(verdict, chance, address, port, masqueraded);
    })
    .sort();
}

function line(verdict: string, chance: string, address: string, port: number, masqueraded: boolean): string {
  return `${verdict} ${chance} ${address} ${String(port)}${masqueraded ? ' masqueraded' : ''}`;
}
