import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../netns/kernel-error.ts';
import { listenInNamespace, namespacePath, runInNamespace } from '../../netns/namespace.ts';
import { AgentError } from '../agent-error.ts';
import type { InheritedFd } from '../inherited-fds.ts';
import { namespaceIdentity } from '../processes.ts';
import { hostEnvironment, renderAgentConfig, renderServerConfig, serverStateDir } from './lab-config.ts';
import { serverHost } from './lab-plan.ts';
import type { LabHost, LabPlan, LabSettings } from './lab-plan.ts';
import { openLab } from './lab-settings.ts';
import { SocketKeeper } from './socket-keeper.ts';
import { endProcess, findProcess, writeProcessRecord } from './process-record.ts';
import type { ProcessRecord } from './process-record.ts';

/** A process of the lab: the API server, a node's agent, the programs of the outside host. */
export interface LabDaemon {
  /** `server`, `outside` or the node's name. */
  readonly name: string;
  readonly host: LabHost;
  readonly args: readonly string[];
  readonly config?: { readonly file: string; readonly text: string };
  /** Gets the API's socket on the machine's 127.0.0.1 as file descriptor 3. */
  readonly listens: boolean;
}

/** Every process of a lab, those others wait for first. */
export function listDaemons(plan: LabPlan): LabDaemon[] {
  const server = { file: join(serverStateDir(plan), 'weft.yaml'), text: renderServerConfig(plan) };
  const agents = plan.nodes.map((host): LabDaemon => {
    const config = { file: join(host.stateDir, 'weft.yaml'), text: renderAgentConfig(plan, host) };
    return { name: host.name, host, args: ['agent', '--config', config.file], config, listens: false };
  });
  return [
    {
      name: 'server',
      host: serverHost(plan),
      args: ['server', '--config', server.file, '--listen-fd', '3'],
      config: server,
      listens: true,
    },
    {
      name: 'outside',
      host: plan.outside,
      args: ['lab-outside', ...plan.outside.addresses],
      listens: false,
    },
    ...agents,
  ];
}

function recordFile(plan: LabPlan, name: string): string {
  return join(plan.runDir, `${name}.pid`);
}

export function logFile(plan: LabPlan, name: string): string {
  return join(plan.stateDir, 'logs', `${name}.log`);
}

/** The process of a daemon, if it runs. */
export function findDaemon(plan: LabPlan, name: string): ProcessRecord | undefined {
  return findProcess(recordFile(plan, name));
}

/** Why a daemon ended: the last line of its log, without the program's name in front. */
export function readLastWords(plan: LabPlan, name: string): string {
  const text = readFileSync(logFile(plan, name), 'utf8').trimEnd();
  return text.slice(text.lastIndexOf('\n') + 1).replace(/^weft: /, '');
}

/**
 * Ends the daemons whose state somebody deleted under them: they go on with files that nobody else sees. Without
 * the server's keys every agent has to join anew. Returns the nodes whose state is not there.
 */
export async function endBereftDaemons(plan: LabPlan, daemons: readonly LabDaemon[]): Promise<LabHost[]> {
  const bereft = daemons.filter(({ config }) => config !== undefined && !existsSync(config.file));
  const isNewCluster = bereft.some(({ name }) => name === 'server');
  const ended = isNewCluster ? daemons : bereft;
  // There is nothing left to save for which a clean stop would be worth its time.
  await Promise.all(ended.map(({ name }) => endProcess(recordFile(plan, name), 'SIGKILL')));
  // Certificates of a cluster that is no more: an agent faster than the server would go on with them.
  const strangers = isNewCluster ? plan.nodes : [];
  for (const { stateDir } of strangers) rmSync(join(stateDir, 'pki'), { recursive: true, force: true });
  return bereft.filter(({ name }) => name !== 'server').map(({ host }) => host);
}

/** Starts a daemon unless it runs as it should; one that runs with an older program or configuration is replaced. */
export async function ensureDaemon(plan: LabPlan, daemon: LabDaemon): Promise<void> {
  const record = recordFile(plan, daemon.name);
  const fingerprint = fingerprintOf(plan, daemon);
  const running = findProcess(record);
  if (running?.fingerprint === fingerprint && livesIn(running, daemon.host)) return;
  if (!running || !daemon.config) {
    if (running) await endProcess(record, 'SIGTERM');
    startDaemon(plan, daemon, fingerprint);
    return;
  }
  // A node that comes back in a moment keeps its load balancer addresses (see daemon-commands.ts), and DNS its sockets.
  using keeper = new SocketKeeper(notifySocket(plan, daemon));
  await endProcess(record, 'SIGUSR2');
  startDaemon(plan, daemon, fingerprint, keeper.kept);
}

function notifySocket({ runDir }: LabPlan, { name }: LabDaemon): string {
  return join(runDir, `${name}.notify`);
}

/** Whether a process is in the host's namespace of today, not in one that somebody removed. */
function livesIn({ pid }: ProcessRecord, host: LabHost): boolean {
  return namespaceIdentity(`/proc/${pid}/ns/net`) === namespaceIdentity(namespacePath(host.namespace));
}

function fingerprintOf(plan: LabPlan, { args, config, listens }: LabDaemon): string {
  const program = process.argv[1] ?? '';
  const facts = [args, config?.text, program, statSync(program).mtimeMs, listens && plan.settings.apiPort];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
}

/** LISTEN_PID is the number of a process that does not exist yet: a shell writes its own down and becomes it. */
const becomeDaemon = 'LISTEN_PID=$$; export LISTEN_PID; exec "$@"';

function startDaemon(
  plan: LabPlan,
  daemon: LabDaemon,
  fingerprint: string,
  kept: readonly InheritedFd[] = [],
): void {
  const { host, config, args } = daemon;
  for (const directory of [host.stateDir, host.runDir, serverStateDir(plan), join(plan.stateDir, 'logs')]) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }
  if (config) writeFileSync(config.file, config.text, { mode: 0o600 });
  using files = new DisposableStack();
  const keep = (fd: number): number => files.adopt(fd, closeSync);
  const log = keep(openSync(logFile(plan, daemon.name), 'a', 0o600));
  const inherited = daemon.listens ? [keep(listenOnMachine(plan))] : kept.map(({ fd }) => fd);
  const listen = { LISTEN_FDS: String(kept.length), LISTEN_FDNAMES: kept.map(({ name }) => name).join(':') };
  // Node spawns on the calling thread: the child is born in the host's namespace.
  const child = runInNamespace(host.namespace, () =>
    spawn(
      'sh',
      ['-c', becomeDaemon, 'sh', process.execPath, ...process.execArgv, process.argv[1] ?? '', ...args],
      {
        cwd: '/',
        detached: true,
        env: {
          ...hostEnvironment(plan, host),
          NOTIFY_SOCKET: notifySocket(plan, daemon),
          ...(kept.length > 0 ? listen : {}),
        },
        stdio: ['ignore', log, log, ...inherited],
      },
    ),
  );
  if (child.pid === undefined)
    throw new AgentError('no-process', `cannot start ${daemon.name}`, 'see why: dmesg');
  writeProcessRecord(recordFile(plan, daemon.name), child.pid, fingerprint);
  child.unref();
}

/** Throws AgentError `port-in-use` when somebody else listens where the lab's API shall. */
export function checkApiPort(plan: LabPlan, before: LabSettings | undefined): void {
  // Where nobody knows what the lab was, its server listens where it is wanted, or somebody else is told of later.
  const { apiPort: wanted } = plan.settings;
  const isOurs = findDaemon(plan, 'server') !== undefined && (before?.apiPort ?? wanted) === wanted;
  if (!isOurs) closeSync(listenOnMachine(plan));
}

/** The API's extra listener: the one thing of a lab in the machine's own namespace, and only on loopback. */
function listenOnMachine({ settings }: LabPlan): number {
  const { apiPort: port, name } = settings;
  try {
    return listenInNamespace('/proc/self/ns/net', { host: '127.0.0.1', port });
  } catch (error) {
    if (!isErrno(error, 'EADDRINUSE')) throw error;
    const remedy = `end what uses it (ss -tlnp sport = :${port}), or choose another: weft lab --name ${name} up --api-port <port>`;
    throw new AgentError('port-in-use', `port ${port} of 127.0.0.1 is in use`, remedy, error);
  }
}

/** Ends every process of the lab that is written down. */
export async function endDaemons(runDir: string, names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => endProcess(join(runDir, `${name}.pid`), 'SIGTERM')));
}

/** `weft lab stop|start|kill TARGET`. */
export async function controlDaemon(
  name: string,
  verb: 'stop' | 'start' | 'kill',
  target: string,
): Promise<void> {
  const plan = openLab(name);
  const daemons = listDaemons(plan);
  const daemon = daemons.find((each) => each.name === target);
  if (!daemon) {
    const known = daemons.map((each) => each.name).join(', ');
    throw new AgentError('no-target', `lab ${name} has no ${target}`, `name one of ${known}`);
  }
  if (verb === 'start') await ensureDaemon(plan, daemon);
  else await endProcess(recordFile(plan, target), verb === 'kill' ? 'SIGKILL' : 'SIGTERM');
}
