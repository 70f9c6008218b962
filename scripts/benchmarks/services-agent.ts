import type { ChildProcess } from 'node:child_process';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runInNamespace } from '../../netns/namespace.ts';
import { cpuSecondsOf, memoryOf, startWeft, whenIdle } from './api-server.ts';
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

/** A whole `weft agent` on a node of the benchmark, as users run it. */
export class MeasuredAgent {
  readonly #process: ChildProcess;
  /** From the start of the process until /readyz says ok: all Services are programmed. */
  readonly readyMs: number;

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
    const child = runInNamespace(place.node, () => {
      if (tool === 'iptables-legacy') preferLegacy();
      return startWeft('agent', settings);
    });
    while (!(await isReady(place.nodeIP))) {
      if (child.exitCode !== null) throw new Error(`weft agent ended with ${child.exitCode}`);
      if (performance.now() - startedAt > giveUpAfterMs) {
        child.kill('SIGKILL');
        throw new Error('weft agent did not become ready');
      }
      await sleep(pollMs);
    }
    return new MeasuredAgent(child, performance.now() - startedAt);
  }

  private constructor(child: ChildProcess, readyMs: number) {
    this.#process = child;
    this.readyMs = readyMs;
  }

  /** In MB. */
  memory(): ReturnType<typeof memoryOf> {
    return memoryOf(this.#process.pid ?? 0);
  }

  /** The tools it runs included. */
  cpuSeconds(): number {
    return cpuSecondsOf(this.#process.pid ?? 0, true);
  }

  whenIdle(): Promise<void> {
    return whenIdle(this.#process.pid ?? 0);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await ended;
  }
}

/** An agent uses the legacy interface where the node's other rules are. */
function preferLegacy(): void {
  execFileSync('iptables-legacy', ['-w', '-A', 'INPUT', '-i', 'lo', '-j', 'ACCEPT']);
}

function isReady(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    get({ host: address, port: 10256, path: '/readyz', agent: false, timeout: 5000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on('error', () => {
      // Not listening yet: asked again soon.
      resolve(false);
    });
  });
}
