import { Command } from 'commander';
import { version } from '../version.ts';
import { addClusterCommands } from './cluster-commands.ts';
import { addDaemonCommands } from './daemon-commands.ts';
import { addDnsCommands } from './dns-commands.ts';
import { addDoctorCommand } from './doctor-commands.ts';
import { addImageCommands } from './image-commands.ts';
import { addIpamCommands } from './ipam-commands.ts';
import { addLabCommands } from './lab-commands.ts';
import { addTraceCommand } from './trace-commands.ts';

/** The whole command line of `weft`. */
export function buildProgram(): Command {
  const program = new Command('weft')
    .description('The Kubernetes network model for plain Linux hosts')
    .version(version)
    .enablePositionalOptions()
    .configureOutput({ outputError: (text, write) => write(renderMisuse(text)) });
  addDaemonCommands(program);
  addLabCommands(program);
  addImageCommands(program);
  addTraceCommand(program);
  addDoctorCommand(program);
  addDnsCommands(program);
  addIpamCommands(program);
  addClusterCommands(program);
  return program;
}

/** What commander says of a wrong command line, in one line as every other failure. */
function renderMisuse(text: string): string {
  const message = text
    .replace(/^error: /, '')
    .trimEnd()
    .replaceAll('\n', ' ');
  return `weft: ${message}: --help shows what there is\n`;
}
