import { Command } from 'commander';
import { version } from '../version.ts';
import { addClusterCommands } from './cluster-commands.ts';
import { addDaemonCommands } from './daemon-commands.ts';
import { addImageCommands } from './image-commands.ts';
import { addLabCommands } from './lab-commands.ts';

/** The whole command line of `weft`. */
export function buildProgram(): Command {
  const program = new Command('weft')
    .description('The Kubernetes network model for plain Linux hosts')
    .version(version)
    .enablePositionalOptions()
    .showHelpAfterError('(weft --help shows what there is)');
  addDaemonCommands(program);
  addLabCommands(program);
  addImageCommands(program);
  addClusterCommands(program);
  return program;
}
