import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClientOptions } from '../../api/client/http.ts';
import { parseKubeconfig } from '../../api/client/kubeconfig.ts';
import { answersOk, MeasuredProcess, startWeft, whenReady } from './measured-process.ts';

const giveUpAfterMs = 120_000;
const pollMs = 10;

/** A `weft server` in a process of its own on 127.0.0.1, as users run it: controllers and all. */
export class MeasuredServer extends MeasuredProcess {
  readonly access: ClientOptions;

  /** Starts it over `stateDir`, new or left by an earlier one, and resolves when it is ready. */
  static async start(
    stateDir: string,
    port: number,
    more: Readonly<Record<string, string>> = {},
  ): Promise<MeasuredServer> {
    const startedAt = performance.now();
    const settings = {
      'state-dir': stateDir,
      'api-port': String(port),
      'listen-addresses': '127.0.0.1',
      'advertise-address': '127.0.0.1',
      'log-level': 'warn',
      ...more,
    };
    const child = startWeft('server', settings);
    const kubeconfig = join(stateDir, 'server/admin.kubeconfig');
    await whenReady(child, () => isReady(kubeconfig), { giveUpAfterMs, pollMs });
    return new MeasuredServer(child, readAccess(kubeconfig), performance.now() - startedAt);
  }

  private constructor(child: ChildProcess, access: ClientOptions, readyMs: number) {
    super(child, readyMs, false);
    this.access = access;
  }
}

function readAccess(kubeconfig: string): ClientOptions {
  return { ...parseKubeconfig(readFileSync(kubeconfig, 'utf8')), timeoutMs: giveUpAfterMs };
}

async function isReady(kubeconfig: string): Promise<boolean> {
  if (!existsSync(kubeconfig)) return false;
  const { server, ca } = readAccess(kubeconfig);
  return answersOk(new URL('/readyz', server), { ca });
}
