import { Readable } from 'node:stream';

import { execa } from 'execa';

import { isRulesError, RulesError } from './error.ts';

/** Runs a program with `input` on its standard input and returns its standard output. Tests hand in their own. */
export type Run = (program: string, args: readonly string[], input?: string) => Promise<string>;

/** How the rule programs say that somebody else was in the way (xtables lock, EAGAIN). */
const busy = /xtables lock|Resource temporarily unavailable/;

/** Characters that are handed to a program's standard input at a time. */
const sliceLength = 1 << 18;

/** Administrators' programs are not in every service manager's PATH. */
const path = [process.env['PATH'], '/usr/local/sbin', '/usr/sbin', '/sbin'].filter(Boolean).join(':');

/**
 * The folder's one door to processes: rule programs act on the network namespace of this process.
 * @param onStart told each program and its process number as it starts, before it can have changed anything
 * @throws RulesError PROGRAM_MISSING, BUSY, or REFUSED with what the program said
 */
export function makeRun(onStart?: (program: string, pid: number) => void): Run {
  return async (program, args, input = '') => {
    const child = execa(program, args, {
      input: Readable.from(slices(input)),
      reject: false,
      // The answer to "what is there?" is compared with our own text: no translated or localized words.
      env: { PATH: path, LC_ALL: 'C' },
      maxBuffer: 1024 ** 3,
      stripFinalNewline: false,
    });
    if (child.pid !== undefined) onStart?.(program, child.pid);
    const result = await child;
    if (result.code === 'ENOENT') {
      throw new RulesError('PROGRAM_MISSING', `${program} is not installed`, { cause: result });
    }
    if (result.failed) {
      const said = result.stderr.trim() || result.shortMessage || 'no reason given';
      throw new RulesError(busy.test(said) ? 'BUSY' : 'REFUSED', `${program}: ${said}`, { cause: result });
    }
    return result.stdout;
  };
}

export const runCommand: Run = makeRun();

/** What a program says; undefined where it is not installed. */
export async function runIfInstalled(
  run: Run,
  program: string,
  args: readonly string[],
): Promise<string | undefined> {
  try {
    return await run(program, args);
  } catch (error) {
    if (isRulesError(error, 'PROGRAM_MISSING')) return undefined;
    throw error;
  }
}

/** Libuv copies what it cannot write at once: of ten megabytes of rules only a part shall be there twice. */
function* slices(text: string): Generator<string> {
  for (let start = 0; start < text.length; start += sliceLength) yield text.slice(start, start + sliceLength);
}
