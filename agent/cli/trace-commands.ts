import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { protocols } from '../../iptables/model.ts';
import type { Protocol } from '../../iptables/model.ts';
import { normalizeAddress } from '../../iptables/address.ts';
import { AgentError } from '../agent-error.ts';

interface TraceOptions {
  readonly from?: string;
  readonly to: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly verbose?: boolean;
  readonly output: 'text' | 'json';
}

/** `weft trace`: what this node's rules do with a packet. */
export function addTraceCommand(program: Command): void {
  program
    .command('trace')
    .description("what this node's rules do with the first packet of a connection")
    .option('--from <address>', 'who sends it (the node itself)', parseAddress)
    .requiredOption('--to <address>', 'where it is sent', parseAddress)
    .requiredOption('--port <port>', 'the destination port', parsePort)
    .addOption(new Option('--protocol <protocol>', 'its protocol').choices(protocols).default('tcp'))
    .option('-v, --verbose', 'show also the rules that only lead on')
    .addOption(
      new Option('-o, --output <format>', 'how to show it').choices(['text', 'json']).default('text'),
    )
    .action(async function (this: Command) {
      const { checkRoot } = await import('../node/preflight.ts');
      checkRoot();
      await trace(this.opts<TraceOptions>());
    });
}

// Imported when needed: commands that only ask something start in half the time.
async function trace({ from, to, port, protocol, verbose = false, output }: TraceOptions): Promise<void> {
  const [{ readNode }, { readRules }, { tracePacket }, { renderTrace }] = await Promise.all([
    import('../../iptables/trace/node.ts'),
    import('../../iptables/trace/read.ts'),
    import('../../iptables/trace/walk.ts'),
    import('./trace-text.ts'),
  ]);
  const node = readNode();
  const source = from ?? node.sourceTo(to);
  if (source === undefined)
    throw new AgentError('no-route', `this node has no route to ${to}`, 'give --from');
  if (source.includes(':') !== to.includes(':')) {
    throw new AgentError('families', `${source} and ${to} are of different families`, 'give two of one');
  }
  const device = node.deviceTo(source);
  const packet = { source, destination: to, protocol, port, ...(device === undefined ? {} : { device }) };
  const traced = tracePacket(await readRules(), node, packet);
  process.stdout.write(
    output === 'json'
      ? `${JSON.stringify({ packet, ...traced }, undefined, 2)}\n`
      : renderTrace(packet, traced, { verbose }),
  );
}

function parseAddress(text: string): string {
  const address = normalizeAddress(text);
  if (address === undefined) throw new InvalidArgumentError('write an IPv4 or IPv6 address');
  return address;
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535)
    throw new InvalidArgumentError('write a number from 1 to 65535');
  return port;
}
