import { execFileSync } from 'node:child_process';
import { createNamespace, namespacePath, removeNamespace, runInNamespace } from '../../netns/namespace.ts';
import { readSysctl, writeSysctl } from '../../netns/sysctl.ts';
import { endpointRange } from './services-data.ts';

const prefix = `weft-bench${process.pid}`;
/** Where the endpoints' namespace serves an API, as a machine beside the nodes would. */
export const apiAddress = '172.30.0.1';
const endpointsName = `${prefix}-endpoints`;

/** A node between a client's namespace and the one where all endpoints are. Each value is a namespace's path. */
export interface Place {
  readonly client: string;
  readonly node: string;
  /** The client's address: one of a pod's on this node. */
  readonly podRange: string;
  readonly nodeIP: string;
}

/** Namespaces of this process, wired by veth pairs, without any way out; all of it goes with `using` or the process. */
export class Site implements Disposable {
  readonly #undo = new DisposableStack();
  #count = 0;
  /** Answers on every endpoint's address. */
  readonly endpoints = namespacePath(endpointsName);

  constructor() {
    const onExit = (): void => this.#undo.dispose();
    process.once('exit', onExit);
    this.#undo.defer(() => process.off('exit', onExit));
    this.#make(endpointsName, [
      'link set lo up',
      `address add ${apiAddress}/32 dev lo`,
      `route add local ${endpointRange} dev lo`,
    ]);
  }

  /** Makes one more node. At most 60. */
  addPlace(): Place {
    const i = ++this.#count;
    const [client, node] = [`${prefix}-client${i}`, `${prefix}-node${i}`];
    const uplink = `172.31.${i}`;
    this.#make(client, ['link set lo up']);
    this.#make(node, [
      'link set lo up',
      `link add pod0 type veth peer name eth0 netns ${client}`,
      `link add up0 type veth peer name node${i} netns ${endpointsName}`,
      `address add 10.129.${i}.1/24 dev pod0`,
      `address add ${uplink}.1/24 dev up0`,
      'link set pod0 up',
      'link set up0 up',
      `route add ${endpointRange} via ${uplink}.2`,
      `route add ${apiAddress} via ${uplink}.2`,
    ]);
    configure(client, [
      `address add 10.129.${i}.2/24 dev eth0`,
      'link set eth0 up',
      `route add default via 10.129.${i}.1`,
    ]);
    configure(endpointsName, [
      `address add ${uplink}.2/24 dev node${i}`,
      `link set node${i} up`,
      `route add 10.129.${i}.0/24 via ${uplink}.1`,
    ]);
    return {
      client: namespacePath(client),
      node: namespacePath(node),
      podRange: `10.129.${i}.0/24`,
      nodeIP: `${uplink}.1`,
    };
  }

  [Symbol.dispose](): void {
    this.#undo.dispose();
  }

  #make(name: string, commands: readonly string[]): void {
    using _ = createNamespace(name);
    this.#undo.defer(() => removeNamespace(name));
    runInNamespace(name, () => {
      for (const [setting, value] of Object.entries(sysctls)) {
        // Absent where connection tracking is a module that nothing has needed yet.
        if (readSysctl(setting) !== undefined) writeSysctl({ name: setting, value });
      }
    });
    configure(name, commands);
  }
}

const sysctls = {
  'net/ipv4/ip_forward': '1',
  'net/ipv4/conf/all/rp_filter': '0',
  'net/ipv4/conf/default/rp_filter': '0',
  // On links only: an agent listens on ::1, too.
  'net/ipv6/conf/default/disable_ipv6': '1',
  // Rules that lead nowhere shall fail the benchmark, not stop it for minutes.
  'net/ipv4/tcp_syn_retries': '1',
  // What thousands of closed connections leave behind shall not slow those after them down.
  'net/netfilter/nf_conntrack_tcp_timeout_time_wait': '1',
};

function configure(namespace: string, commands: readonly string[]): void {
  runInNamespace(namespace, () =>
    execFileSync('ip', ['-batch', '-'], { input: commands.join('\n'), stdio: ['pipe', 'ignore', 'inherit'] }),
  );
}
