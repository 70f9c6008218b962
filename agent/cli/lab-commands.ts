import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { integer } from '../config/values.ts';
import type { LabWishes } from '../lab/lab-settings.ts';
import { ExitCode } from './failure.ts';
import { ProgressLine } from './progress-line.ts';

/** `weft lab …`: a cluster of network namespaces on this one machine. */
export function addLabCommands(program: Command): void {
  const lab = withName(program.command('lab'))
    .description('a cluster on this one machine: each node is a network namespace')
    .enablePositionalOptions()
    .hook('preAction', async () => {
      const { checkRoot } = await import('../node/preflight.ts');
      checkRoot();
    });
  addUp(lab);
  subcommand(lab, 'down', 'end the lab and leave the machine as it was').action(async function (
    this: Command,
  ) {
    const { labDown } = await import('../lab/lab-down.ts');
    await withProgress((report) => labDown(nameOf(this), report));
  });
  addStatus(lab);
  addExec(lab);
  for (const verb of ['stop', 'start', 'kill'] as const) {
    subcommand(lab, `${verb} <target>`, `${verb} a node's agent, or the server`).action(async function (
      this: Command,
      target: string,
    ) {
      const { controlDaemon } = await import('../lab/lab-daemons.ts');
      await controlDaemon(nameOf(this), verb, target);
    });
  }
  subcommand(lab, 'kubeconfig', "print the path of the lab's kubeconfig").action(async function (
    this: Command,
  ) {
    const { openLab } = await import('../lab/lab-settings.ts');
    process.stdout.write(`${openLab(nameOf(this)).kubeconfig}\n`);
  });
  addOutside(program);
}

function withName(command: Command): Command {
  return command.option('--name <name>', "the lab's name (lab)", parseName);
}

function subcommand(lab: Command, usage: string, description: string): Command {
  return withName(lab.command(usage)).description(description);
}

function parseName(text: string): string {
  if (!/^[a-z0-9]([-a-z0-9]{0,14}[a-z0-9])?$/.test(text)) {
    throw new InvalidArgumentError('use at most 16 lower-case letters, digits and -');
  }
  return text;
}

/** --name may stand before or behind the subcommand. */
function nameOf(command: Command): string {
  return command.opts<{ name?: string }>().name ?? command.parent?.opts<{ name?: string }>().name ?? 'lab';
}

function wholeNumber(first: number, last: number): (text: string) => number {
  const parse = integer(first, last);
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message);
    }
  };
}

function addUp(lab: Command): void {
  subcommand(lab, 'up', 'bring the lab up, or repair it; waits until every node is Ready')
    .option('--nodes <count>', 'how many nodes (3)', wholeNumber(1, 200))
    .addOption(
      new Option('--backend <backend>', 'what programs Services (iptables)').choices([
        'iptables',
        'nftables',
      ]),
    )
    .addOption(
      new Option('--network-mode <mode>', 'how packets reach pods of other nodes (auto)').choices([
        'auto',
        'direct',
        'vxlan',
      ]),
    )
    .addOption(
      new Option('--pod-link <link>', 'what joins the pods of a node (bridge)').choices(['bridge', 'routed']),
    )
    .option('--api-port <port>', 'where kubectl reaches the API on 127.0.0.1 (6443)', wholeNumber(1, 65535))
    .action(async function (this: Command) {
      const { labUp } = await import('../lab/lab-up.ts');
      await withProgress((report) => labUp(nameOf(this), this.opts<LabWishes>(), report));
    });
}

function addStatus(lab: Command): void {
  subcommand(lab, 'status', 'show what runs')
    .addOption(new Option('--output <format>', 'how to show it').choices(['text', 'json']).default('text'))
    .action(async function (this: Command) {
      const { readLabStatus, renderLabStatus } = await import('../lab/lab-status.ts');
      const status = await readLabStatus(nameOf(this));
      const { output } = this.opts<{ output: 'text' | 'json' }>();
      process.stdout.write(
        output === 'json' ? `${JSON.stringify(status, undefined, 2)}\n` : renderLabStatus(status),
      );
    });
}

function addExec(lab: Command): void {
  subcommand(lab, 'exec <host> <command...>', 'run a command on a node, or on `outside`')
    .passThroughOptions()
    .action(async function (this: Command, host: string, command: string[]) {
      const { labExec } = await import('../lab/lab-exec.ts');
      throw new ExitCode(await labExec(nameOf(this), host, command));
    });
}

function addOutside(program: Command): void {
  program
    .command('lab-outside <addresses...>', { hidden: true })
    .description("the lab's host outside the cluster: a DNS server and a web server that tells who asks")
    .action(async (addresses: string[]) => {
      const { runOutside } = await import('../lab/outside.ts');
      await runOutside(addresses);
    });
}

async function withProgress(action: (report: (step: string) => void) => Promise<string>): Promise<void> {
  const progress = new ProgressLine(process.stderr);
  let summary: string;
  try {
    summary = await action((step) => progress.show(step));
  } finally {
    progress.clear();
  }
  process.stdout.write(`${summary}\n`);
}
