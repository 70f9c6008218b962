import type { WantedChannels } from './channels.ts';
import type { ContainerRef, LogOptions, PodRef } from './pod-streams.ts';
import { parsePort } from './forwarded-port.ts';
import { StreamError } from './stream-error.ts';

/** What one request to the node's server asks for. */
export type StreamRequest =
  | {
      readonly verb: 'exec';
      readonly container: ContainerRef;
      readonly command: string[];
      readonly wanted: WantedChannels;
    }
  | { readonly verb: 'attach'; readonly container: ContainerRef; readonly wanted: WantedChannels }
  | { readonly verb: 'logs'; readonly container: ContainerRef; readonly options: LogOptions }
  | { readonly verb: 'portForward'; readonly pod: PodRef; readonly ports: number[] }
  | { readonly verb: 'healthz' };

/**
 * Reads a request's path (`/exec/<namespace>/<pod>/<container>`, as kubelet's server has them; a port-forward names
 * no container) and query.
 * Throws StreamError 404 for an unknown path, 400 for a wrong query.
 */
export function parseStreamRequest(target: string): StreamRequest {
  const url = new URL(target, 'https://node');
  const [verb, namespace = '', pod = '', container = '', ...rest] = url.pathname
    .slice(1)
    .split('/')
    .map(decode);
  if (verb === 'healthz' && namespace === '') return { verb };
  if (verb === 'portForward' && pod !== '' && container === '') {
    return { verb, pod: { namespace, pod }, ports: parsePorts(url.searchParams) };
  }
  const known = namespace !== '' && pod !== '' && container !== '' && rest.length === 0;
  if (!known) throw new StreamError(404, `nothing at ${url.pathname}`);
  const ref = { namespace, pod, container };
  switch (verb) {
    case 'exec':
      return {
        verb,
        container: ref,
        command: parseCommand(url.searchParams),
        wanted: parseWanted(url.searchParams),
      };
    case 'attach':
      return { verb, container: ref, wanted: parseWanted(url.searchParams) };
    case 'containerLogs':
      return { verb: 'logs', container: ref, options: parseLogOptions(url.searchParams) };
    default:
      throw new StreamError(404, `nothing at ${url.pathname}`);
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw new StreamError(400, `${part} is no part of a URL`, { cause });
  }
}

function parseCommand(query: URLSearchParams): string[] {
  const command = query.getAll('command');
  if (command.length === 0) throw new StreamError(400, 'you must specify a command');
  return command;
}

/** Only clients that forward in plain WebSocket messages name the ports here: `ports` (kubelets: `port`). */
function parsePorts(query: URLSearchParams): number[] {
  const texts = [...query.getAll('ports'), ...query.getAll('port')].flatMap((text) => text.split(','));
  return texts.map((text) => {
    const port = parsePort(text.trim());
    if (port === undefined) throw new StreamError(400, `port: "${text}" is no port`);
    return port;
  });
}

function parseWanted(query: URLSearchParams): WantedChannels {
  // kube-apiserver asks kubelets for input, output and error; kubectl asks it for stdin, stdout and stderr.
  const wanted = {
    stdin: flag(query, 'stdin') || flag(query, 'input'),
    stdout: flag(query, 'stdout') || flag(query, 'output'),
    stderr: flag(query, 'stderr') || flag(query, 'error'),
    tty: flag(query, 'tty'),
  };
  if (!wanted.stdin && !wanted.stdout && !wanted.stderr) {
    throw new StreamError(400, 'you must specify at least 1 of stdin, stdout, stderr');
  }
  return wanted;
}

function parseLogOptions(query: URLSearchParams): LogOptions {
  const tailLines = count(query, 'tailLines', 0);
  const sinceSeconds = count(query, 'sinceSeconds', 1);
  const limitBytes = count(query, 'limitBytes', 1);
  const sinceTime = query.get('sinceTime');
  if (sinceTime !== null && Number.isNaN(Date.parse(sinceTime))) {
    throw new StreamError(400, `sinceTime: ${sinceTime} is no RFC 3339 time`);
  }
  return {
    follow: flag(query, 'follow'),
    previous: flag(query, 'previous'),
    timestamps: flag(query, 'timestamps'),
    ...(tailLines !== undefined && { tailLines }),
    ...(sinceSeconds !== undefined && { sinceSeconds }),
    ...(sinceTime !== null && { sinceTime }),
    ...(limitBytes !== undefined && { limitBytes }),
  };
}

function flag(query: URLSearchParams, name: string): boolean {
  // Go's conversion of queries: present and neither false nor 0.
  const value = query.get(name);
  return value !== null && value.toLowerCase() !== 'false' && value !== '0';
}

function count(query: URLSearchParams, name: string, least: number): number | undefined {
  const value = query.get(name);
  if (value === null || value === '') return undefined;
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < least) {
    throw new StreamError(400, `${name}: must be an integer of at least ${least}, not ${value}`);
  }
  return number;
}
