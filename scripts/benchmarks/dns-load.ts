import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { runInNamespace } from '../../netns/namespace.ts';
import type { DnsServerProcess } from './dns-server.ts';
import { percentile } from './statistics.ts';

export interface LoadOptions {
  readonly namespace: string;
  /** The file with the questions. */
  readonly questions: string;
  readonly seconds: number;
  /** What puts a command that follows on the right processors. */
  readonly place: readonly string[];
  /** The share of questions that are answered NXDOMAIN; all others get NOERROR. */
  readonly missingShare: number;
  /** Questions per second; default: as fast as answers come. */
  readonly perSecond?: number;
  /** Sockets that questions come from. A kernel gives each of them to one of a server's threads. */
  readonly clients?: number;
}

/**
 * CPU time of a server per query in µs, all its threads together.
 * @throws Error when it loses questions or gives other answers than it should
 */
export async function measureCpu(server: DnsServerProcess, options: LoadOptions): Promise<number> {
  const before = server.cpuSeconds();
  const output = await runDnsperf(server, options, []);
  const used = server.cpuSeconds() - before;
  return (used / checkAnswers(server.name, output, options.missingShare)) * 1e6;
}

/** Queries answered per second. */
export async function measureRate(server: DnsServerProcess, options: LoadOptions): Promise<number> {
  const output = await runDnsperf(server, options, []);
  checkAnswers(server.name, output, options.missingShare);
  return Number(/Queries per second:\s+([\d.]+)/.exec(output)?.[1]);
}

/** The p99 of a server's answer times in µs. */
export async function measureLatency(server: DnsServerProcess, options: LoadOptions): Promise<number> {
  const output = await runDnsperf(server, options, ['-v']);
  checkAnswers(server.name, output, options.missingShare);
  // "> NOERROR name. type 0.000123": the time from the question to its answer in seconds.
  const times = [...output.matchAll(/^> \S+ \S+ \S+ ([\d.]+)$/gm)].map(
    ([, seconds]) => Number(seconds) * 1e6,
  );
  if (times.length === 0) throw new Error('dnsperf tells no times');
  return percentile(times, 99);
}

async function runDnsperf(
  { port }: DnsServerProcess,
  { namespace, questions, seconds, place, perSecond, clients = 4 }: LoadOptions,
  more: readonly string[],
): Promise<string> {
  const rate = perSecond === undefined ? [] : ['-Q', String(perSecond)];
  const args = [
    '-s',
    '127.0.0.1',
    '-p',
    String(port),
    '-d',
    questions,
    '-c',
    String(clients),
    ...rate,
    ...more,
  ];
  const command: readonly string[] = [...place, 'dnsperf', ...args, '-l', String(seconds)];
  const [program = '', ...rest] = command;
  const running = runInNamespace(namespace, () => promisify(execFile)(program, rest, { maxBuffer: 1 << 27 }));
  return (await running).stdout;
}

/** How many were answered. */
function checkAnswers(name: string, output: string, missingShare: number): number {
  // What -v tells of each query comes before.
  const statistics = output.slice(output.lastIndexOf('Statistics:'));
  const count = (field: string): number =>
    Number(new RegExp(`${field}:?\\s+(\\d+)`).exec(statistics)?.[1] ?? 0);
  const [completed, lost] = [count('Queries completed'), count('Queries lost')];
  const [found, missing] = [count('NOERROR'), count('NXDOMAIN')];
  const share = missing / completed;
  if (lost > completed / 1000) throw new Error(`${name} lost ${lost} questions of ${lost + completed}`);
  if (found + missing !== completed || Math.abs(share - missingShare) > 0.02) {
    throw new Error(
      `${name} gave other answers than it should: ${/Response codes:.*/.exec(statistics)?.[0]}`,
    );
  }
  return completed;
}
