/**
 * Loaded before an agent's own code (`node --import`): a wrapper round its doors to the kernel and the disk that ends
 * the process in the middle of its work, as `kill -9` and a crash of the machine do. The file that FAULTS_FILE names
 * says when: `before 120` or `after 120` such calls, counted from when it is read; that is at the start and again at
 * SIGWINCH. Empty: the process lives on.
 */
import { promises as files, readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import koffi from 'koffi';

type Call = (...args: unknown[]) => unknown;

const file = process.env['FAULTS_FILE'];
let when = '';
let left = 0;

function arm(): void {
  const [word = '', count] = readFileSync(file ?? '', 'utf8').split(' ');
  when = word;
  left = Number(count);
}

/** Before a call and after it the kernel is in another state each. */
function faulty(call: Call): Call {
  return (...args) => {
    left -= 1;
    if (left === 0 && when === 'before') die();
    const result = call(...args);
    if (left === 0 && when === 'after') die();
    return result;
  };
}

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

if (file !== undefined && isMainThread && process.argv.includes('agent')) {
  arm();
  process.on('SIGWINCH', arm);
  const load = koffi.load.bind(koffi);
  koffi.load = (...args) => {
    const library = load(...args);
    const declare = library.func.bind(library) as (prototype: string) => Call;
    return { func: (prototype: string) => faulty(declare(prototype)) } as unknown as typeof library;
  };
  for (const name of ['writeFile', 'rename', 'open'] as const) {
    Object.assign(files, { [name]: faulty(files[name].bind(files) as Call) });
  }
}
