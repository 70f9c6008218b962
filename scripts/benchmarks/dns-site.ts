import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createNamespace, removeNamespace, runInNamespace } from '../../netns/namespace.ts';
import { allowedCores } from './cores.ts';
import {
  echoProbe,
  foreignProbe,
  missingShare,
  probe,
  renderForeignQuestions,
  renderQuestions,
} from './dns-data.ts';
import type { LoadOptions } from './dns-load.ts';
import type { Duty, Peer } from './dns-peers.ts';
import { startChild } from './services-child.ts';
import { DnsServerProcess } from './dns-server.ts';

/** By default as many threads as cores. */
type Duties = Omit<Duty, 'port' | 'threads'> & Partial<Pick<Duty, 'threads'>>;

interface SiteOptions {
  readonly cores?: Cores;
  /** Servers and dnsperf run before whatever else wants the processor: only where they have little to do. */
  readonly first?: boolean;
}

/** A server on one core and dnsperf on another; or both on two, where a server shall show what it can. */
type Cores = 'one' | 'two';

const [firstCore = 0, secondCore = firstCore] = allowedCores();
const lastCore = allowedCores().at(-1) ?? firstCore;
const serverCores: Readonly<Record<Cores, string>> = {
  one: String(firstCore),
  two: `${firstCore},${secondCore}`,
};
const loadCores: Readonly<Record<Cores, string>> = {
  one: String(lastCore),
  two: allowedCores().join(),
};

/** Starts a server of the project's own; the peers are programs with configuration files. */
interface Ours {
  readonly name: string;
  /** The process's file in this folder; its argument is the duty as JSON. */
  readonly file: string;
  /** It answers with what it was asked. */
  readonly echoes?: boolean;
}

/** What an agent serves names with. */
export const weft: Ours = { name: 'weft', file: 'dns-weft-process.ts' };

/** Nothing but what sockets cost: its answers are no answers. */
export const floor: Ours = { name: 'floor', file: 'dns-floor-process.ts', echoes: true };

/** A namespace with nothing but a loopback device, and the servers in it. All of it goes with `await using`. */
export class DnsSite implements AsyncDisposable {
  readonly #undo = new AsyncDisposableStack();
  readonly #directory: string;
  readonly #namespace = `weft-bench${process.pid}-dns`;
  readonly #cores: Cores;
  readonly #scheduled: readonly string[];
  #nextPort = 5300;

  /** @param directory for files of its servers */
  constructor(directory: string, { cores = 'one', first = false }: SiteOptions = {}) {
    this.#directory = mkdtempSync(join(directory, 'dns-'));
    this.#cores = cores;
    this.#scheduled = first ? ['chrt', '--rr', '1'] : [];
    using _ = createNamespace(this.#namespace);
    const remove = (): void => removeNamespace(this.#namespace);
    process.once('exit', remove);
    this.#undo.defer(() => {
      process.off('exit', remove);
      remove();
    });
    runInNamespace(this.#namespace, () => execFileSync('ip', ['link', 'set', 'lo', 'up']));
  }

  /** Starts a server and resolves when it answers. */
  async start(who: Peer | Ours, duties: Duties): Promise<DnsServerProcess> {
    const port = this.#nextPort++;
    const duty: Duty = { threads: this.#cores === 'two' ? 2 : 1, ...duties, port };
    const ours = 'file' in who;
    const command = ours
      ? [process.execPath, join(import.meta.dirname, who.file), JSON.stringify(duty)]
      : who.configure(mkdtempSync(join(this.#directory, 'server-')), duty);
    const server = await DnsServerProcess.start({
      name: who.name,
      command,
      namespace: this.#namespace,
      port,
      place: [...this.#scheduled, 'taskset', '--cpu-list', serverCores[this.#cores]],
      probe: ours && who.echoes ? echoProbe : duty.services > 0 ? probe : foreignProbe,
      ipc: ours,
    });
    this.#undo.defer(() => server.stop());
    return server;
  }

  /** Starts one server after the other, each with the same duty. */
  async startAll(all: readonly (Peer | Ours)[], duties: Duties): Promise<DnsServerProcess[]> {
    const servers: DnsServerProcess[] = [];
    for (const who of all) servers.push(await this.start(who, duties));
    return servers;
  }

  /** Runs an API with so many Services beside the servers; returns the kubeconfig's path. */
  async startApi(services: number): Promise<string> {
    const args = [join(this.#directory, 'api'), String(services)];
    const child = startChild('dns-api-process.ts', args, { namespace: this.#namespace });
    this.#undo.defer(async () => {
      child.disconnect();
      await once(child, 'exit');
    });
    const [kubeconfig] = (await once(child, 'message')) as [string];
    return kubeconfig;
  }

  /** How dnsperf asks for the names of so many Services; 0: for names outside of the cluster. */
  load(services: number, seconds: number): LoadOptions {
    const questions = join(this.#directory, `questions-${services}`);
    writeFileSync(questions, services > 0 ? renderQuestions(services) : renderForeignQuestions());
    return {
      namespace: this.#namespace,
      questions,
      seconds,
      place: [...this.#scheduled, 'taskset', '--cpu-list', loadCores[this.#cores]],
      missingShare: services > 0 ? missingShare : 0,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#undo.disposeAsync();
  }
}
