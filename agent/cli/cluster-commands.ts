import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { AgentError } from '../agent-error.ts';
import { version } from '../version.ts';
import { addConfigOptions, readConfig } from './config-options.ts';

/** `weft token`, `weft kubeconfig`, `weft cleanup` and `weft version`. */
export function addClusterCommands(program: Command): void {
  const token = program.command('token').description('print the token with which a node joins this server');
  addConfigOptions(token, 'server').action(() => {
    const { stateDir } = readConfig(token).server;
    process.stdout.write(`${readServerFile(join(stateDir, 'token')).trim()}\n`);
  });

  const kubeconfig = program
    .command('kubeconfig')
    .description("print the path of the administrator's kubeconfig: export KUBECONFIG=$(weft kubeconfig)");
  addConfigOptions(kubeconfig, 'server').action(() => {
    const path = join(readConfig(kubeconfig).server.stateDir, adminKubeconfig);
    readServerFile(path);
    process.stdout.write(`${path}\n`);
  });

  const cleanup = program
    .command('cleanup')
    .description('take everything of weft off this machine: pods, links, routes, rules and state')
    .option('--keep-state', 'keep certificates, the store and images');
  addConfigOptions(cleanup, 'agent').action(async () => {
    const { checkRoot } = await import('../node/preflight.ts');
    checkRoot();
    const { cleanUpHost } = await import('../cleanup/cleanup.ts');
    const { keepState } = cleanup.opts<{ keepState?: boolean }>();
    await cleanUpHost(readConfig(cleanup), { keepState: keepState === true });
  });

  program
    .command('version')
    .description('print the version')
    .action(() => {
      process.stdout.write(`weft ${version} (node ${process.versions.node})\n`);
    });
}

/** The administrator's kubeconfig in the server's state directory. */
const adminKubeconfig = 'admin.kubeconfig';

function readServerFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new AgentError(
      'no-server',
      `${path} cannot be read`,
      'start `weft server` here first, and run this as root',
      cause,
    );
  }
}
