import { Option } from 'commander';
import type { Command } from 'commander';
import type { AgentConfig } from '../config/config.ts';
import { addConfigOptions, readConfig } from './config-options.ts';
import { ExitCode } from './failure.ts';

type Format = 'text' | 'json';

/** `weft ipam`: who has which pod address of this node, and whether that is so. */
export function addIpamCommands(program: Command): void {
  const ipam = program
    .command('ipam')
    .description('the pod addresses of this node: who has them, and whether that is so')
    .enablePositionalOptions();

  const show = ipam
    .command('show')
    .description('all leases, and the addresses that rest before they are given out again')
    .addOption(outputOption());
  addConfigOptions(show, 'agent').action(() => showLeases(readConfig(show).agent, formatOf(show)));

  const check = ipam
    .command('check')
    .description(
      'compare the leases with namespaces, links and the pods of the API, changing nothing; exit code 1 when something differs, 2 when nothing does but the API did not answer',
    )
    .addOption(outputOption());
  addConfigOptions(check, 'agent').action(() => checkLeases(readConfig(check).agent, formatOf(check)));

  const release = ipam
    .command('release')
    .description('free one lease, with its link and rules')
    .argument('<lease>', 'an address, or the ID that `weft ipam show` prints')
    .option('--force', 'although its namespace is alive: whoever is in there loses the network');
  addConfigOptions(release, 'agent').action(async (what: string) => {
    const { force = false } = release.opts<{ force?: boolean }>();
    await releaseLease(readConfig(release).agent, what, force);
  });
}

function outputOption(): Option {
  return new Option('-o, --output <format>', 'how to show it').choices(['text', 'json']).default('text');
}

function formatOf(command: Command): Format {
  return command.opts<{ output: Format }>().output;
}

// Imported when needed: commands that only ask something start in half the time.
async function showLeases({ stateDir }: AgentConfig, format: Format): Promise<void> {
  const [{ checkRoot }, { readLeases }, { renderLeases }] = await Promise.all([
    import('../node/preflight.ts'),
    import('../ipam/lease-list.ts'),
    import('./ipam-text.ts'),
  ]);
  checkRoot();
  const now = Date.now();
  const list = readLeases(stateDir, now);
  print(format === 'json' ? toJson(list) : renderLeases(list, now));
}

async function checkLeases(config: AgentConfig, format: Format): Promise<void> {
  const [{ checkRoot }, { checkLeases: examine }, { renderDifferences }] = await Promise.all([
    import('../node/preflight.ts'),
    import('../ipam/check.ts'),
    import('./ipam-text.ts'),
  ]);
  checkRoot();
  const { leases, differences, unasked } = await examine(config);
  print(
    format === 'json'
      ? toJson({ leases, differences, ...(unasked !== undefined && { unasked }) })
      : renderDifferences(differences, leases),
  );
  if (unasked !== undefined && format === 'text')
    process.stderr.write(`weft: the API's pods were not compared: ${unasked}\n`);
  if (differences.length > 0) throw new ExitCode(1);
  if (unasked !== undefined) throw new ExitCode(2);
}

async function releaseLease(config: AgentConfig, what: string, force: boolean): Promise<void> {
  const [{ checkRoot }, { orderRelease }] = await Promise.all([
    import('../node/preflight.ts'),
    import('../ipam/release-door.ts'),
  ]);
  checkRoot();
  const { id, ips } = await orderRelease(config, { what, force });
  print(`${ips.join(', ')} of ${id} is free\n`);
}

function print(text: string): void {
  process.stdout.write(text);
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
