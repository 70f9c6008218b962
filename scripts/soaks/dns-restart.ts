import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostEnvironment } from '../../agent/lab/lab-config.ts';
import type { LabHost, LabPlan } from '../../agent/lab/lab-plan.ts';
import { openLab } from '../../agent/lab/lab-settings.ts';
import { runInNamespace } from '../../netns/namespace.ts';
import { Supervisor } from '../../rig/supervisor.ts';
import { freePort } from '../../rig/free-port.ts';
import { runLab } from '../run-lab.ts';

/** What dns-restart-load-process.ts is to do. */
export interface LoadDuty {
  readonly server: string;
  readonly kubeconfig: string;
  readonly dnsIPs: readonly string[];
  /** What the IPv6 addresses to ask from begin with. */
  readonly clientPrefix: string;
  readonly queriesPerSecond: number;
  readonly changes: number;
  readonly changesPerSecond: number;
}

/** What it found. */
export interface LoadReport {
  readonly asked: number;
  readonly answered: number;
  /** Never answered. */
  readonly lost: number;
  /** Answered with what the name was not. */
  readonly wrong: number;
  readonly examples: readonly string[];
  /** Names that are not answered as they were left. */
  readonly stale: number;
  readonly tcpAsked: number;
  readonly tcpAnswered: number;
  /** Connections that were closed before the answer: the question was asked again. */
  readonly tcpAgain: number;
  readonly changes: number;
  readonly longestMs: number;
  readonly seconds: number;
}

export interface RestartReport extends LoadReport {
  /** How long each time it took from the signal until the next agent was ready, in ms. */
  readonly restartsMs: readonly number[];
}

export interface RestartOptions {
  readonly lab: string;
  readonly queriesPerSecond: number;
  readonly changes: number;
  readonly changesPerSecond: number;
  /**
   * How the agent ends each time: SIGUSR2 for a restart and SIGKILL for a crash under a service manager, or `lab up`
   * with other settings, which starts it anew without one.
   */
  readonly endings: readonly ('SIGUSR2' | 'SIGKILL')[] | readonly 'lab up'[];
  /** How long it runs in between. */
  readonly pauseMs: number;
}

const root = join(import.meta.dirname, '../..');
const weft = join(root, 'bin/weft');
/** A documentation range: nobody else's (RFC 3849). */
const clientPrefix = '2001:db8:53::';
const dnsIPs = ['10.96.0.10', 'fd00:10:96::a'];

/** A lab's node whose agent is ended and started again and again, under questions all the time. */
export async function restartUnderLoad(options: RestartOptions): Promise<RestartReport> {
  const port = String(await freePort());
  const lab = (...args: string[]): void => void runLab(options.lab, ...args);
  const up = (backend: string): void => lab('up', '--nodes', '1', '--api-port', port, '--backend', backend);
  try {
    up('iptables');
    const plan = openLab(options.lab);
    const [node] = plan.nodes;
    if (!node) throw new Error('the lab has no node');
    if (options.endings.includes('lab up' as never)) {
      let times = 0;
      return await underLoad(options, plan, node, () => {
        times += 1;
        up(times % 2 === 0 ? 'iptables' : 'nftables');
        return Promise.resolve();
      });
    }
    lab('stop', 'node1');
    using supervisor = new Supervisor({
      command: [weft, 'agent', '--config', join(node.stateDir, 'weft.yaml')],
      environment: hostEnvironment(plan, node),
      namespace: node.namespace,
      output: 'ignore',
    });
    await supervisor.start();
    const report = await underLoad(options, plan, node, async (ending) => {
      await supervisor.end(ending as NodeJS.Signals);
      await supervisor.start();
    });
    await supervisor.end('SIGTERM');
    return report;
  } finally {
    lab('down');
  }
}

async function underLoad(
  options: RestartOptions,
  plan: LabPlan,
  node: LabHost,
  restart: (ending: string) => Promise<void>,
): Promise<RestartReport> {
  const { queriesPerSecond, changes, changesPerSecond } = options;
  const server = `https://${node.addresses[0] ?? ''}:6443`;
  const { kubeconfig } = plan;
  const rates = { queriesPerSecond, changes, changesPerSecond };
  const duty: LoadDuty = { server, kubeconfig, dnsIPs, clientPrefix, ...rates };
  const script = join(import.meta.dirname, 'dns-restart-load-process.ts');
  const load = runInNamespace(node.namespace, () => {
    execFileSync('ip', ['-6', 'route', 'add', 'local', `${clientPrefix}/64`, 'dev', 'lo']);
    execFileSync('sysctl', ['-qw', 'net.ipv6.ip_nonlocal_bind=1']);
    return spawn(process.execPath, [script, JSON.stringify(duty)], { stdio: ['pipe', 'pipe', 'inherit'] });
  });
  const ended = once(load, 'exit');
  const restartsMs: number[] = [];
  try {
    const lines = createInterface(load.stdout)[Symbol.asyncIterator]();
    const nextLine = async (): Promise<string> => ((await lines.next()) as { value?: string }).value ?? '';
    await nextLine();
    for (const ending of options.endings) {
      await sleep(options.pauseMs);
      const startedAt = performance.now();
      await restart(ending);
      restartsMs.push(Math.round(performance.now() - startedAt));
    }
    await sleep(options.pauseMs);
    load.stdin.end();
    const report = await nextLine();
    await ended;
    return { ...(JSON.parse(report) as LoadReport), restartsMs };
  } finally {
    load.kill();
  }
}

/** The soak: 20,000 queries a second across ten restarts and 1,000 changes. Resolves with what is wrong. */
export async function soakRestarts(): Promise<readonly string[]> {
  const report = await restartUnderLoad({
    lab: 'soak',
    queriesPerSecond: 20_000,
    changes: 1000,
    changesPerSecond: 40,
    endings: Array.from({ length: 10 }, () => 'SIGUSR2' as const),
    pauseMs: 2000,
  });
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  const { lost, wrong, stale, tcpAsked, tcpAnswered } = report;
  return [
    ...(lost > 0 ? [`${lost} questions were never answered`] : []),
    ...(wrong > 0 ? [`${wrong} answers were wrong: ${report.examples.join(', ')}`] : []),
    ...(stale > 0 ? [`${stale} names are not answered as they were left`] : []),
    ...(tcpAnswered < tcpAsked ? [`${tcpAsked - tcpAnswered} questions over TCP were never answered`] : []),
  ];
}
