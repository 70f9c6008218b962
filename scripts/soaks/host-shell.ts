import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { LabHost } from '../../agent/lab/lab-plan.ts';
import { readBootId, readState } from '../../cni/lease-file.ts';
import { runInNamespace } from '../../netns/namespace.ts';

/** A node of a lab, as who has a shell there sees it. */
export class HostShell {
  readonly host: LabHost;

  constructor(host: LabHost) {
    this.host = host;
  }

  /** Runs a program on the node and returns what it printed. */
  run(program: string, ...args: string[]): string {
    return runInNamespace(this.host.namespace, () =>
      execFileSync(program, args, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        maxBuffer: 64 << 20,
      }),
    );
  }

  /** Runs commands of a shell on the node; what each of them printed, in one line. */
  runLines(commands: readonly string[]): string[] {
    const script = commands.map((command) => `(${command}) | tr -d '\\n'; echo`).join('\n');
    return this.run('sh', '-c', script).split('\n');
  }

  /** Who has addresses by what the agent has on disk. */
  leaseholders(): string[] {
    return Object.keys(readState(join(this.host.stateDir, 'network/leases.json'), readBootId()).leases);
  }
}
