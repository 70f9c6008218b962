/**
 * Loaded before an agent's own code (`node --import`): a wrapper round its doors to the kernel, the disk and other
 * programs. The file that FAULTS_FILE names says what happens: `before 120` or `after 120` ends the process as `kill -9`
 * and a crash of the machine do, so many steps from when it is read; `refuse 120` lets that step fail. It is read at the
 * start and again at SIGWINCH; then `.steps` beside it tells the steps since the last time. Empty: nothing happens.
 */
import childProcess from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import koffi from 'koffi';

type Call = (...args: unknown[]) => unknown;

/** A step that changes something, or that others depend on. */
interface Step {
  readonly name: string;
  readonly call: Call;
  /** What comes instead when part `index` of the step is to fail. */
  readonly refuse: (args: unknown[], index: number) => unknown;
  /** A name for each part that can fail on its own. Default: the step's own. */
  readonly parts?: (args: unknown[]) => string[];
}

const file = process.env['FAULTS_FILE'] ?? '';
const kernelSteps = new Set(['setns', 'unshare', 'mount', 'umount2', 'socket', 'send', 'sendto', 'sendmsg']);
const diskSteps = ['open', 'writeFile', 'rename', 'unlink'] as const;
const handleSteps = ['write', 'writeFile', 'appendFile', 'truncate', 'sync', 'datasync'] as const;
const syncDiskSteps = [
  'openSync',
  'writeSync',
  'writeFileSync',
  'fsyncSync',
  'ftruncateSync',
  'renameSync',
  'rmSync',
] as const;
/** linux/socket.h, linux/netlink.h: the family, the size of struct nlmsghdr, and a type that no kernel knows. */
const [AF_NETLINK, headerBytes, unknownType] = [16, 16, 0xfff0];

/** Behind the name of a part that is not the first: to end the process before it is to end it before the first. */
const sameCall = ', same call';

const { readFileSync, writeFileSync } = fs;
const netlinkFds = new Set<unknown>();
let what = '';
let left = 0;
let names: string[] = [];

function arm(): void {
  writeFileSync(`${file}.steps`, names.join('\n'));
  names = [];
  const [word = '', count] = readFileSync(file, 'utf8').split(' ');
  what = word;
  left = Number(count);
}

/** Before a step and after it the world is in another state each. */
function faulty({ name, call, refuse, parts }: Step): Call {
  return (...args) => {
    const taken = parts?.(args) ?? [name];
    names.push(...taken);
    const index = left - 1;
    left -= taken.length;
    if (what === '' || index < 0 || index >= taken.length) return call(...args);
    writeFileSync(`${file}.reached`, taken[index] ?? name);
    if (what === 'refuse') return refuse(args, index);
    if (what === 'before') die();
    const result = call(...args);
    if (what === 'after') die();
    return result;
  };
}

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

/** A function of libc's, as koffi declares it. */
function kernelStep(name: string, call: Call): Call {
  const fail = (): number => {
    koffi.errno(koffi.os.errno['EIO'] ?? 0);
    return -1;
  };
  if (name === 'send') return sendStep(call, fail);
  if (name === 'socket') {
    const open: Call = (...args) => {
      const fd = call(...args);
      // Numbers are used again.
      if (args[0] === AF_NETLINK) netlinkFds.add(fd);
      else netlinkFds.delete(fd);
      return fd;
    };
    return faulty({ name, call: open, refuse: fail });
  }
  return faulty({ name, call, refuse: fail });
}

/** Of netlink's each message is a step: the kernel refuses one that it does not understand, and does the others. */
function sendStep(call: Call, fail: () => number): Call {
  const headersOf = ([fd, data]: unknown[]): number[] =>
    netlinkFds.has(fd) && Buffer.isBuffer(data) ? listHeaders(data) : [];
  return faulty({
    name: 'send',
    call,
    parts: (args) => {
      const headers = headersOf(args);
      const data = args[1] as Buffer;
      return headers.length === 0
        ? ['send']
        : headers.map((offset, i) => `netlink ${data.readUInt16LE(offset + 4)}${i > 0 ? sameCall : ''}`);
    },
    refuse: (args, index) => {
      const offset = headersOf(args)[index];
      if (offset === undefined) return fail();
      const [fd, data, ...rest] = args;
      const changed = Buffer.from(data as Buffer);
      changed.writeUInt16LE(unknownType, offset + 4);
      return call(fd, changed, ...rest);
    },
  });
}

/** Where the messages begin. */
function listHeaders(data: Buffer): number[] {
  const offsets: number[] = [];
  for (let offset = 0; offset + headerBytes <= data.length;) {
    offsets.push(offset);
    offset += Math.max((data.readUInt32LE(offset) + 3) & ~3, headerBytes);
  }
  return offsets;
}

function fullDisk(name: string): Error {
  return Object.assign(new Error(`ENOSPC: no space left on device, ${name}`), { code: 'ENOSPC', errno: -28 });
}

/** Replaces functions of an object. */
function wrap(
  object: object,
  steps: readonly string[],
  refuse: (name: string, args: unknown[]) => unknown,
): void {
  const methods = object as Record<string, Call>;
  for (const name of steps) {
    const method = methods[name];
    if (!method) continue;
    const call: Call = (...args) => method.apply(object, args);
    methods[name] = faulty({ name, call, refuse: (args) => refuse(name, args) });
  }
}

const reject = (name: string): Promise<never> => Promise.reject(fullDisk(name));

function wrapDisk(): void {
  const { open } = fs.promises;
  fs.promises.open = async (...args) => {
    const handle = await open(...args);
    wrap(handle, handleSteps, reject);
    return handle;
  };
  wrap(fs.promises, diskSteps, reject);
  wrap(fs, syncDiskSteps, (name) => {
    throw fullDisk(name);
  });
  wrap(fs, ['write'], (name, args) => setImmediate(args.at(-1) as Call, fullDisk(name)));
}

function wrapPrograms(): void {
  const call = childProcess.spawn as Call;
  const refuse = ([, ...rest]: unknown[]): unknown => call('/nonexistent/program', ...rest);
  Object.assign(childProcess, { spawn: faulty({ name: 'spawn', call, refuse }) });
}

function wrapKernel(): void {
  const load = koffi.load.bind(koffi);
  koffi.load = (...args) => {
    const library = load(...args);
    const declare = library.func.bind(library) as (prototype: string) => Call;
    const func = (prototype: string): Call => {
      const name = /(\w+)\(/.exec(prototype)?.[1] ?? '';
      const call = declare(prototype);
      return kernelSteps.has(name) ? kernelStep(name, call) : call;
    };
    return { func } as unknown as typeof library;
  };
}

if (file !== '' && isMainThread && process.argv.includes('agent')) {
  arm();
  process.on('SIGWINCH', arm);
  wrapKernel();
  wrapDisk();
  wrapPrograms();
  syncBuiltinESMExports();
}
