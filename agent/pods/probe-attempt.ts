import { spawn } from 'node:child_process';
import * as http from 'node:http';
import * as https from 'node:https';
import * as net from 'node:net';
import { getSystemErrorMessage } from 'node:util';
import type { Container, Probe } from '../../api/kinds/container.ts';

/** What a probe is made against. */
export interface ProbeTarget {
  readonly container: Container;
  /** The pod's address. */
  readonly ip: string;
  /** Program and arguments that run a command in the container. */
  readonly execCommand: (command: readonly string[]) => [string, string[]];
}

/**
 * Carries one probe out from the node: undefined for success, else what went wrong in the kubelet's words.
 * Source: kubernetes pkg/probe.
 */
export async function attemptProbe(
  target: ProbeTarget,
  probe: Probe,
  timeoutMs: number,
): Promise<string | undefined> {
  if (probe.exec) return attemptExec(target, probe.exec.command ?? [], timeoutMs);
  if (probe.httpGet) return attemptHttp(target, probe.httpGet, timeoutMs);
  if (probe.tcpSocket) {
    return attemptTcp(probe.tcpSocket.host ?? target.ip, portNumber(target, probe.tcpSocket.port), timeoutMs);
  }
  return 'this kind of probe is not supported: use exec, httpGet or tcpSocket';
}

/** A port's number by number, numeral or the name of one of the container's ports. */
function portNumber({ container }: ProbeTarget, port: number | string): number {
  const named = container.ports?.find(({ name }) => name === port)?.containerPort;
  const number = named ?? Number(port);
  if (!Number.isInteger(number)) throw new Error(`couldn't find port: ${port}`);
  return number;
}

function attemptHttp(
  target: ProbeTarget,
  action: NonNullable<Probe['httpGet']>,
  timeoutMs: number,
): Promise<string | undefined> {
  const secure = action.scheme === 'HTTPS';
  const headers = Object.fromEntries((action.httpHeaders ?? []).map(({ name, value }) => [name, value]));
  const options = {
    host: action.host ?? target.ip,
    port: portNumber(target, action.port),
    path: action.path?.startsWith('/') ? action.path : `/${action.path ?? ''}`,
    headers: { 'User-Agent': 'kube-probe/1.32', Accept: '*/*', Connection: 'close', ...headers },
    agent: false,
    signal: AbortSignal.timeout(timeoutMs),
    rejectUnauthorized: false,
  };
  return new Promise((resolve) => {
    const request = (secure ? https : http).get(options, (response) => {
      const { statusCode = 0 } = response;
      response.destroy();
      resolve(
        statusCode >= 200 && statusCode < 400
          ? undefined
          : `HTTP probe failed with statuscode: ${statusCode}`,
      );
    });
    const url = `${secure ? 'https' : 'http'}://${hostAndPort(options)}${options.path}`;
    request.on('error', (error) => resolve(`Get "${url}": ${describeFailure(options, error)}`));
  });
}

interface Address {
  readonly host: string;
  readonly port: number;
}

function hostAndPort({ host, port }: Address): string {
  return net.isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** In Go's words: `dial tcp 10.244.2.7:80: connect: connection refused`. */
function describeFailure(address: Address, error: NodeJS.ErrnoException): string {
  // Only the deadline aborts.
  if (error.name === 'AbortError') return 'context deadline exceeded';
  const { errno, syscall, message } = error;
  if (errno === undefined || syscall !== 'connect') return message;
  return `dial tcp ${hostAndPort(address)}: connect: ${getSystemErrorMessage(errno)}`;
}

function attemptTcp(host: string, port: number, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout: timeoutMs });
    const settle = (failure?: string): void => {
      socket.destroy();
      resolve(failure);
    };
    socket.once('connect', () => settle());
    socket.once('timeout', () => settle(`dial tcp ${hostAndPort({ host, port })}: i/o timeout`));
    socket.once('error', (error) => settle(describeFailure({ host, port }, error)));
  });
}

function attemptExec(
  target: ProbeTarget,
  command: readonly string[],
  timeoutMs: number,
): Promise<string | undefined> {
  const [program, args] = target.execCommand(command);
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString('utf8')).slice(0, 1024);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === 0) resolve(undefined);
      else
        resolve(
          code === null ? `command timed out after ${timeoutMs} ms` : output.trim() || `exit status ${code}`,
        );
    });
  });
}
