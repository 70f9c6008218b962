import type { ChildProcess } from 'node:child_process';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { runInNamespace } from '../../netns/namespace.ts';
import { answersOk, MeasuredProcess, startWeft, whenReady } from './measured-process.ts';
import type { Tool } from './services-layouts.ts';
import type { Place } from './services-place.ts';

const giveUpAfterMs = 300_000;
const pollMs = 100;

interface AgentOptions {
  readonly place: Place;
  readonly tool: Tool;
  readonly nodeName: string;
  readonly server: string;
  readonly tokenFile: string;
  /** Of its own: durable and volatile state go in there. */
  readonly directory: string;
}

/** A whole `weft agent` on a node of the benchmark, as users run it; ready when all Services are programmed. */
export class MeasuredAgent extends MeasuredProcess {
  static async start({
    place,
    tool,
    nodeName,
    server,
    tokenFile,
    directory,
  }: AgentOptions): Promise<MeasuredAgent> {
    const startedAt = performance.now();
    const settings = {
      'node-name': nodeName,
      'node-ips': place.nodeIP,
      server,
      'token-file': tokenFile,
      'state-dir': join(directory, 'state'),
      'run-dir': join(directory, 'run'),
      backend: tool === 'nftables' ? 'nftables' : 'iptables',
      'log-level': 'error',
    };
    const readyz = new URL(`http://${place.nodeIP}:10256/readyz`);
    const child = runInNamespace(place.node, () => {
      if (tool === 'iptables-legacy') preferLegacy();
      return startWeft('agent', settings);
    });
    await whenReady(child, () => answersOk(readyz, { timeout: 5000 }), { giveUpAfterMs, pollMs });
    return new MeasuredAgent(child, performance.now() - startedAt);
  }

  private constructor(child: ChildProcess, readyMs: number) {
    super(child, readyMs, true);
  }
}

/** An agent uses the legacy interface where the node's other rules are. */
function preferLegacy(): void {
  execFileSync('iptables-legacy', ['-w', '-A', 'INPUT', '-i', 'lo', '-j', 'ACCEPT']);
}
