import { isErrno } from '../../netns/kernel-error.ts';
import { AgentError, AgentErrors } from '../agent-error.ts';

/** A command's own exit code, e.g. that of the program `weft lab exec` ran. */
export class ExitCode extends Error {
  override readonly name = 'ExitCode';
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** What to tell a user about a failure: one line per mistake, each with what to do. */
export function renderFailure(error: unknown): string[] {
  if (error instanceof AgentErrors || error instanceof AggregateError)
    return error.errors.flatMap(renderFailure);
  if (error instanceof AgentError)
    return [`weft: ${oneLine(error.message)}${error.remedy === '' ? '' : `: ${error.remedy}`}`];
  if (!(error instanceof Error)) return [`weft: ${String(error)}`];
  if (isErrno(error, 'EACCES', 'EPERM') && process.geteuid?.() !== 0)
    return [`weft: ${oneLine(error.message)}: run it as root (sudo)`];
  // What our own folders throw on purpose speaks for itself; anything else is a defect whose place matters.
  const isDeliberate = 'code' in error && error.message !== '';
  return [`weft: ${isDeliberate ? oneLine(error.message) : (error.stack ?? error.message)}`];
}

/** Programs we run speak in several lines; a failure is one. */
function oneLine(message: string): string {
  return message
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
    .join('; ');
}
