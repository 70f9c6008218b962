import { execFileSync } from 'node:child_process';
import { readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, machine, release, totalmem } from 'node:os';

/** What a machine is, as far as its Node object says. */
export interface NodeFacts {
  readonly machineID: string;
  readonly systemUUID: string;
  readonly bootID: string;
  readonly kernelVersion: string;
  /** PRETTY_NAME of os-release(5). */
  readonly osImage: string;
  /** `runc://1.1.5`. */
  readonly runtimeVersion: string;
  /** As Go names it: amd64, arm64. */
  readonly architecture: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Size of the file system that holds the agent's state. */
  readonly storageBytes: number;
}

const goArchitectures: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64' };

/** Reads them from the running system. */
export function readNodeFacts(stateDir: string): NodeFacts {
  const storage = statfsSync(stateDir);
  return {
    machineID: readLine('/etc/machine-id'),
    systemUUID: readLine('/sys/class/dmi/id/product_uuid') || readLine('/etc/machine-id'),
    bootID: readLine('/proc/sys/kernel/random/boot_id'),
    kernelVersion: release(),
    osImage: parseOsName(readText('/etc/os-release')),
    runtimeVersion: `runc://${readRuncVersion()}`,
    architecture: goArchitectures[machine()] ?? machine(),
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    storageBytes: storage.blocks * storage.bsize,
  };
}

/** PRETTY_NAME from the text of /etc/os-release. */
export function parseOsName(osRelease: string): string {
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(osRelease)?.[1] ?? 'Linux';
}

function readRuncVersion(): string {
  const text = execFileSync('runc', ['--version'], { encoding: 'utf8' });
  return /^runc version (\S+)/.exec(text)?.[1] ?? 'unknown';
}

function readLine(path: string): string {
  return readText(path).trim();
}

/** Not every machine has every file: containers lack DMI, minimal images a machine id. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
