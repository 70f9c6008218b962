import { setTimeout as sleep } from 'node:timers/promises';
import { CniAudit } from './cni-audit.ts';
import { CniClient } from './cni-client.ts';
import { Containers } from './cni-containers.ts';
import { apiConnection, readDescriptors } from './cni-descriptors.ts';
import { CniNode } from './cni-node.ts';
import type { NodeKind } from './cni-node.ts';

/** How long what an agent does by itself may take: sweeping links, following ports, trying again. */
const settleMs = 10_000;
/** And how often it is looked at least: on a machine with much else to do one look takes seconds. */
const leastLooks = 10;
/** An agent that opened and closed nothing for so long has what it opens when it is first needed. */
const quietMs = 3_000;

/** A node, a container runtime on it, clients of its containers, and who looks at what all of it leaves. */
export class CniSite implements AsyncDisposable {
  readonly node: CniNode;
  readonly containers: Containers;
  readonly #audit: CniAudit;
  readonly #outside: CniClient;
  readonly #undo: AsyncDisposableStack;

  private constructor(node: CniNode, containers: Containers, undo: AsyncDisposableStack) {
    this.node = node;
    this.containers = containers;
    this.#undo = undo;
    this.#outside = undo.use(new CniClient(node.plan.outside.namespace));
    const onNode = undo.use(new CniClient(node.host.namespace));
    this.#audit = new CniAudit(node, containers, { outside: this.#outside, onNode });
  }

  static async open(lab: string, kind: NodeKind, containers: number): Promise<CniSite> {
    await using undo = new AsyncDisposableStack();
    const node = undo.use(await CniNode.open(lab, kind));
    const runtime = undo.use(new Containers(node, containers));
    for (const _ of ['ADD', 'DEL']) await runtime.turn(0);
    await whenQuiet(node);
    return new CniSite(node, runtime, undo.move());
  }

  /** Packets to all ports, from outside: each is an entry of conntrack that is to go when the port changes hands. */
  speak(): void {
    for (const port of this.containers.hostPorts)
      for (const address of this.node.host.addresses) this.#outside.speak(address, port);
  }

  async findAfterGarbageCollection(): Promise<string[]> {
    let answer = await this.containers.collectGarbage();
    // The agent may have been on its last step.
    if (!this.node.runs) {
      await this.node.ensure();
      answer = await this.containers.collectGarbage();
    }
    const failed = answer.code === 0 ? [] : [`GC: ${answer.stdout}`];
    return [...failed, ...(await this.settled())];
  }

  /**
   * What the audit still finds when an agent has had time to do what it does by itself.
   * @param isWhole whether the agent's connections to the API are looked at, too, which takes seconds
   */
  async settled(isWhole = false): Promise<string[]> {
    const deadline = performance.now() + settleMs;
    for (let looks = 1; ; looks += 1) {
      const found = this.#audit.find();
      if (isWhole) found.push(...this.#audit.findConnections());
      if (found.length === 0) found.push(...(await this.#audit.findSilent()));
      const isOver = performance.now() > deadline && looks >= leastLooks;
      if (found.length === 0 || isOver) return found;
      await sleep(100);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo[Symbol.asyncDispose]();
  }
}

async function whenQuiet({ pid }: CniNode): Promise<void> {
  let count = 0;
  let since = performance.now();
  while (performance.now() - since < quietMs) {
    const { length } = readDescriptors(pid).filter((kind) => kind !== apiConnection);
    if (length !== count) since = performance.now();
    count = length;
    await sleep(100);
  }
}
