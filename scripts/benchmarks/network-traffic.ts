import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { runInNamespace } from '../../netns/namespace.ts';
import { allowedCores } from './cores.ts';
import type { NetworkPath } from './network-path.ts';

/** Each measurement has a port of its own: connections of the one before may hold its. */
let port = 5201;
const seconds = 1;
/** A server is asked again so often, 50 ms apart, until it listens. */
const attempts = 40;

const [clientCore = 0] = allowedCores();
const serverCore = allowedCores().at(-1) ?? clientCore;

/** What one TCP stream does over a path. */
export interface Throughput {
  /** As its receiver counts it. */
  readonly gigabits: number;
  /** CPU time in ms of both ends per 10⁹ bytes, with all that the kernel does for packets on their behalf. */
  readonly cpuMs: number;
}

/**
 * iperf3, each end on a core of its own. Congestion control is Debian's own: BBR, which some machines have instead,
 * sends at the pace that it has estimated, which is not what a path can carry.
 */
export async function measureThroughput(path: NetworkPath): Promise<Throughput> {
  port += 1;
  await using _ = await serve(path, ['iperf3', '--server', '--bind', path.address, '--port', String(port)]);
  const output = await run(path.client, clientCore, [
    ...['iperf3', '--client', path.address, '--port', String(port), '--congestion', 'cubic'],
    ...['--time', String(seconds), '--json'],
  ]);
  const { sum_received: received, cpu_utilization_percent: cpu } = (JSON.parse(output) as IperfReport).end;
  const busy = ((cpu.host_total + cpu.remote_total) / 100) * received.seconds;
  return { gigabits: received.bits_per_second / 1e9, cpuMs: (busy * 1e3) / (received.bytes / 1e9) };
}

/** The part of `iperf3 --json` that is looked at. */
interface IperfReport {
  readonly end: {
    readonly sum_received: {
      readonly bytes: number;
      readonly seconds: number;
      readonly bits_per_second: number;
    };
    readonly cpu_utilization_percent: { readonly host_total: number; readonly remote_total: number };
  };
}

/** The p50 of the time in µs that 14 bytes need there and back over TCP (sockperf), each end on a core of its own. */
export async function measureRoundTrip(path: NetworkPath): Promise<number> {
  port += 1;
  const place = ['--tcp', '--ip', path.address, '--port', String(port)];
  await using _ = await serve(path, ['sockperf', 'server', ...place]);
  const output = await run(path.client, clientCore, [
    'sockperf',
    'ping-pong',
    ...place,
    '--time',
    String(seconds),
  ]);
  // It tells half of the time.
  const half = /percentile 50\.000 =\s+([\d.]+)/.exec(output)?.[1];
  if (half === undefined) throw new Error(`sockperf tells no percentiles:\n${output}`);
  return 2 * Number(half);
}

/** A server inside a path's namespace, until it is disposed of. */
async function serve(path: NetworkPath, command: readonly string[]): Promise<AsyncDisposable> {
  const [program = '', ...args] = pinned(serverCore, command);
  const child = runInNamespace(path.server, () => spawn(program, args, { stdio: 'ignore' }));
  const ended = once(child, 'exit');
  for (let attempt = 0; !(await listens(path.server)); attempt += 1) {
    if (attempt === attempts || child.exitCode !== null)
      throw new Error(`${command[0] ?? ''} does not listen on ${path.address}`);
    await promisify(setTimeout)(50);
  }
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function listens(namespace: string): Promise<boolean> {
  const output = await run(namespace, clientCore, ['ss', '-Htln', `sport = :${port}`]);
  return output.trim() !== '';
}

async function run(namespace: string, core: number, command: readonly string[]): Promise<string> {
  const [program = '', ...args] = pinned(core, command);
  const running = runInNamespace(namespace, () => promisify(execFile)(program, args, { maxBuffer: 1 << 24 }));
  return (await running).stdout;
}

/** Round trips are bimodal where the scheduler places the ends as it likes. */
function pinned(core: number, command: readonly string[]): string[] {
  return ['taskset', '--cpu-list', String(core), ...command];
}
