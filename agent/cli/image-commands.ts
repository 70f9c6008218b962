import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import type { ImageTable } from '../pods/images.ts';
import { addConfigOptions, readConfig } from './config-options.ts';

interface AddOptions {
  readonly hostRoot?: boolean;
  readonly root?: string;
  readonly env: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly workingDir?: string;
}

/** `weft image add|list|remove`: what this node's pods may run. */
export function addImageCommands(program: Command): void {
  const image = program.command('image').description("this node's table of images").enablePositionalOptions();

  const add = image
    .command('add <name> [command...]')
    .description("add an image: weft image add nginx --host-root -- nginx -g 'daemon off;'")
    .option('--host-root', "use this machine's own root, without its secrets")
    .option('--root <directory>', 'use an unpacked root directory')
    .option('--env <key=value>', 'set an environment variable (repeatable)', collectVariable, {})
    .option('--user <user>', 'run as user, uid, user:group or uid:gid')
    .option('--working-dir <directory>', 'run in this directory');
  addConfigOptions(add, 'agent').action(async (name: string, command: string[]) => {
    const { hostRoot, root, env, user, workingDir } = add.opts<AddOptions>();
    if ((root === undefined) !== (hostRoot === true))
      add.error('give one of --host-root and --root <directory>');
    const table = await openTable(add);
    const added = table.add(name, root === undefined ? { hostRoot: true } : { root }, {
      command,
      env,
      ...(user !== undefined && { user }),
      ...(workingDir !== undefined && { workingDir }),
    });
    process.stdout.write(`${added.name}\n`);
  });

  const list = image.command('list').description('list the images');
  addConfigOptions(list, 'agent').action(async () => {
    const images = (await openTable(list)).list();
    for (const { name, root, command } of images) {
      const from = 'root' in root ? root.root : 'the host';
      process.stdout.write(`${name}\t${from}\t${command.join(' ')}\n`);
    }
  });

  const remove = image.command('remove <name>').description('remove an image; running containers go on');
  addConfigOptions(remove, 'agent').action(async (name: string) => (await openTable(remove)).remove(name));
}

function collectVariable(text: string, previous: Record<string, string>): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('write KEY=value');
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) };
}

async function openTable(command: Command): Promise<ImageTable> {
  const { ImageTable } = await import('../pods/images.ts');
  return new ImageTable(readConfig(command).agent.stateDir);
}
