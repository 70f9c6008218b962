import { ExitCode, renderFailure } from './cli/failure.ts';
import { buildProgram } from './cli/program.ts';
import { programPath } from './program-path.ts';

// Daemons and cron jobs often run without the directories that administrators' programs are in.
process.env['PATH'] = programPath;

try {
  await buildProgram().parseAsync();
} catch (error) {
  if (error instanceof ExitCode) process.exit(error.exitCode);
  for (const line of renderFailure(error)) process.stderr.write(`${line}\n`);
  process.exit(1);
}
