import { join } from 'node:path';
import { Counter, Histogram } from 'prom-client';
import type { CniCall } from '../../cni/call.ts';
import type { CniError } from '../../cni/cni-error.ts';
import { cniCodes } from '../../cni/cni-error.ts';
import { answerOrder, isOrder } from '../ipam/order-message.ts';
import type { LeaseHolder } from '../ipam/release.ts';
import { isNamespace } from '../network/pod-namespace.ts';
import type { AgentContext, Health, Subsystem } from '../subsystem.ts';
import { answerCall } from './answer.ts';
import type { CallAnswer } from './call-server.ts';
import { serveCalls } from './call-server.ts';
import { GoneNotes } from './gone-notes.ts';
import { findPlugin, installCni, renderConflist } from './installation.ts';
import type { CniNetwork } from './network-door.ts';
import { CniVerbs } from './verbs.ts';

type CniContext = Pick<AgentContext, 'log' | 'metrics'> & {
  readonly config: Pick<AgentContext['config'], 'runDir' | 'cni'>;
  readonly cluster: Pick<AgentContext['cluster'], 'dnsIPs' | 'zone'>;
};

/** The node's network, and when it is up. */
type ReadyNetwork = CniNetwork & { readonly whenReady: Promise<unknown> };

/**
 * Answers the plugin that containerd, podman or CRI-O execute, from a socket. Once the node's network is up, runtimes
 * are told of it by a configuration file.
 */
export class ContainerRuntimes implements Subsystem {
  readonly name = 'cni';
  readonly #context: CniContext;
  readonly #network: ReadyNetwork;
  readonly #log: AgentContext['log'];
  readonly #verbs: CniVerbs;
  readonly #seconds: Histogram<'verb'>;
  readonly #failures: Counter<'verb' | 'code'>;
  /** Calls are answered once this is done: what an earlier agent left undone comes first. */
  #recovered: Promise<void> = Promise.resolve();
  /** What an administrator may take away (`weft ipam release`). */
  readonly #leases: LeaseHolder = {
    attachments: () => this.#network.attachments(),
    // A runtime's calls for the same attachment and this one wait for each other.
    remove: ({ id, ifname, cni }) =>
      cni ? this.#verbs.del(cni.containerId, ifname) : this.#network.detach(id),
  };
  #server: AsyncDisposable | undefined;
  #health: Health = { ready: false, reason: 'not listening yet' };

  constructor(context: CniContext, network: ReadyNetwork) {
    this.#context = context;
    this.#network = network;
    this.#log = context.log.child({ subsystem: this.name });
    const notes = new GoneNotes(context.config.runDir);
    this.#verbs = new CniVerbs({ network, notes });
    const registers = [context.metrics];
    this.#seconds = new Histogram({
      name: 'weft_cni_seconds',
      help: 'Time to answer a call of the CNI plugin.',
      labelNames: ['verb'],
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 5],
      registers,
    });
    this.#failures = new Counter({
      name: 'weft_cni_failures_total',
      help: 'Calls of the CNI plugin that were answered with an error.',
      labelNames: ['verb', 'code'],
      registers,
    });
  }

  async start(): Promise<void> {
    const path = join(this.#context.config.runDir, 'cni.sock');
    const recovered = Promise.withResolvers<undefined>();
    this.#recovered = recovered.promise;
    // It listens before it reads the notes: a plugin that finds nobody has written its note by then.
    this.#server = await serveCalls({
      path,
      answer: (call) => this.#answer(call),
      onError: (err) => this.#log.warn({ err }, 'a call of the CNI plugin came to nothing'),
    });
    await this.#recover();
    recovered.resolve(undefined);
    this.#health = { ready: true };
    void this.#network.whenReady.then(() => this.#install());
  }

  async stop(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    this.#server = undefined;
  }

  health(): Health {
    return this.#health;
  }

  async #answer(call: CniCall): Promise<CallAnswer> {
    await this.#recovered;
    if (isOrder(call)) return answerOrder(this.#leases, call);
    const verb = call.variables.get('CNI_COMMAND') ?? '';
    const observe = this.#seconds.startTimer({ verb });
    const onError = (err: CniError): void => {
      this.#failures.inc({ verb, code: String(err.code) });
      const container = call.variables.get('CNI_CONTAINERID');
      // Who is told to try again does.
      const level = err.code === cniCodes.tryAgain || err.code === cniCodes.unavailable ? 'info' : 'warn';
      this.#log[level]({ err, verb, container }, 'a container runtime is told of a failure');
    };
    try {
      return await answerCall(this.#verbs, call, onError);
    } finally {
      observe();
    }
  }

  /** Finishes what was begun before this agent ran, and gives back the addresses of namespaces that are gone. */
  async #recover(): Promise<void> {
    const onError = (err: unknown): void =>
      this.#log.warn({ err }, 'cannot take an attachment away; GC will');
    await this.#verbs.finishNotes(onError);
    for (const { cni, ifname, netns } of this.#network.attachments())
      if (cni && !isNamespace(netns)) await this.#verbs.del(cni.containerId, ifname).catch(onError);
  }

  #install(): void {
    const plugin = findPlugin();
    if (plugin === undefined) {
      const reason =
        'no container runtime can use it: the build found no C compiler (apt-get install gcc libc6-dev)';
      this.#health = { ready: true, reason };
      this.#log.info(reason);
      return;
    }
    try {
      installCni(this.#context.config.cni, plugin, renderConflist(this.#context.cluster));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#health = { ready: true, reason: `container runtimes are not told of it: ${message}` };
      this.#log.warn({ err: error }, 'cannot install the CNI plugin and its configuration');
    }
  }
}
