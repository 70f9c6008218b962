import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { Ending } from '../subsystem.ts';
import { addConfigOptions, readConfig } from './config-options.ts';

interface Running {
  stop(ending?: Ending): Promise<void>;
}

/** What the service manager sends instead of SIGTERM when it is about to start the daemon again (RestartKillSignal=). */
const restartSignal = 'SIGUSR2';

type Start = (config: Config, log: Logger, signal: AbortSignal) => Promise<Running>;

/** `weft server`, `weft agent` and `weft up`: the long-running ones. */
export function addDaemonCommands(program: Command): void {
  const server = program
    .command('server')
    .description('serve the Kubernetes API and run the controllers')
    .option('--listen-fd <fd>', 'also serve on this inherited listening socket (repeatable)', collectFd, []);
  addConfigOptions(server, 'server').action(() => {
    const { listenFd } = server.opts<{ listenFd: number[] }>();
    return runDaemon(server, 'server', (config, log) => startServerOf(config, listenFd, log));
  });

  const agent = program.command('agent').description("run this node's network, Services, names and pods");
  addConfigOptions(agent, 'agent').action(async () => {
    await requireRoot();
    await runDaemon(agent, 'agent', startAgentOf);
  });

  const up = program.command('up').description('run server and agent together on this machine');
  addConfigOptions(up, 'server', 'agent').action(async () => {
    await requireRoot();
    await runDaemon(up, 'up', async (config, log, signal) => {
      const server = await startServerOf(config, [], log);
      try {
        const agent = await startAgentOf(config, log, signal);
        return { stop: (ending) => agent.stop(ending).finally(() => server.stop()) };
      } catch (error) {
        await server.stop();
        throw error;
      }
    });
  });
}

/** Before the settings are read: they may be root's alone to read. */
async function requireRoot(): Promise<void> {
  const { checkRoot } = await import('../node/preflight.ts');
  checkRoot();
}

function collectFd(text: string, previous: number[]): number[] {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('write the number of a file descriptor');
  return [...previous, Number(text)];
}

// Imported when needed: commands that only ask something start in half the time.
async function startServerOf(config: Config, listenFds: readonly number[], log: Logger): Promise<Running> {
  const { startServer } = await import('../server.ts');
  return startServer(config.server, config.addressing, listenFds, log);
}

async function startAgentOf(
  { agent, join, addressing }: Config,
  log: Logger,
  signal: AbortSignal,
): Promise<Running> {
  const [{ startAgent }, { takeInheritedFds }] = await Promise.all([
    import('../agent.ts'),
    import('../inherited-fds.ts'),
  ]);
  return startAgent({ config: agent, join, addressing, log, signal, inherited: takeInheritedFds() });
}

/** Runs until SIGTERM, SIGINT or {@link restartSignal}, then stops cleanly. Tells systemd when it is up and when it goes. */
async function runDaemon(command: Command, name: string, start: Start): Promise<void> {
  const { findNodeAddresses } = await import('../underlay/observe.ts');
  const config = readConfig(command, findNodeAddresses);
  const [{ createLog }, { notifyServiceManager }] = await Promise.all([
    import('../log.ts'),
    import('../notify.ts'),
  ]);
  const log = createLog(config.logLevel, name);
  const stopping = new AbortController();
  const asked = new Promise<Ending>((resolve) => {
    const stop = (signal: NodeJS.Signals): void => {
      // Whoever asks twice does not want to wait.
      if (stopping.signal.aborted) process.exit(1);
      log.info({ signal }, 'stopping');
      stopping.abort();
      resolve(signal === restartSignal ? 'restart' : 'stop');
    };
    process.on('SIGTERM', stop).on('SIGINT', stop).on(restartSignal, stop);
  });
  try {
    const running = await start(config, log, stopping.signal);
    notifyServiceManager('READY=1');
    const ending = await asked;
    notifyServiceManager('STOPPING=1');
    await running.stop(ending);
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
    log.debug({ err: error }, 'stopped while starting');
  }
  // Whatever still holds the event loop (a kept-alive connection, a timer) has nothing left to do.
  process.exit(0);
}
