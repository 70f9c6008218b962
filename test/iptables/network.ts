import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { execa } from 'execa';

import { runCommand } from '../../iptables/command.ts';
import type { Run } from '../../iptables/command.ts';
import { KernelError } from '../../netns/kernel-error.ts';
import * as sockets from '../../netns/socket.ts';
import { close } from '../../netns/libc.ts';
import { runInNamespace } from '../../netns/namespace.ts';
import { encodeInetAddress } from '../../netns/sockaddr.ts';
import { Probe } from './probe-client.ts';

export type FamilyName = 'ipv4' | 'ipv6';
export const familyNames: readonly FamilyName[] = ['ipv4', 'ipv6'];

/**
 * Who has which address. `node` is the node under test, `also` its second address; `peer` another node with the pod `far`
 * and `neighbor`, the first address of its range, where its DNS server listens for others.
 */
export const addresses = {
  ipv4: {
    node: '192.0.2.1',
    also: '192.0.2.101',
    outside: '192.0.2.2',
    peer: '192.0.2.3',
    bridge: '10.244.1.1',
    pod1: '10.244.1.2',
    pod2: '10.244.1.3',
    far: '10.244.2.2',
    neighbor: '10.244.2.1',
    dns: '10.96.0.10',
  },
  ipv6: {
    node: '2001:db8::1',
    also: '2001:db8::101',
    outside: '2001:db8::2',
    peer: '2001:db8::3',
    bridge: 'fd00:10:244:1::1',
    pod1: 'fd00:10:244:1::2',
    pod2: 'fd00:10:244:1::3',
    far: 'fd00:10:244:2::2',
    neighbor: 'fd00:10:244:2::1',
    dns: 'fd00:10:96::a',
  },
} as const;

/** Its own: a bridge without one takes another with each port, and pods would go on with the old one. */
const bridgeMac = '02:00:00:00:00:10';

export type Place = 'node' | 'outside' | 'peer' | 'pod1' | 'pod2';
const places: readonly Place[] = ['node', 'outside', 'peer', 'pod1', 'pod2'];

/** One node with two pods, another node with one, and a host outside the cluster; each a namespace without a way out. */
export class TestNetwork implements AsyncDisposable {
  readonly #prefix: string;
  readonly #probes = new Map<Place, Probe>();
  /** Runs rule programs on the node. */
  readonly run: Run = (program, args, input) => this.onNode(() => runCommand(program, args, input));

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  static async create(name: string): Promise<TestNetwork> {
    const network = new TestNetwork(`weft-t-${name}-${String(process.pid)}`);
    try {
      await network.#build();
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
    return network;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const probe of this.#probes.values()) await probe.end();
    for (const place of ['switch', ...places]) {
      await execa('ip', ['netns', 'delete', this.#name(place)], { reject: false });
    }
  }

  /** Serves at `place`; answers are `name source`. */
  async serve(
    place: Place,
    name: string,
    protocol: 'tcp' | 'udp',
    address: string,
    port: number,
  ): Promise<void> {
    const answer = await this.#probe(place).send({ verb: 'serve', protocol, address, port, name });
    if (answer !== 'ok') throw new Error(`serve ${name} at ${place} ${address}:${String(port)}: ${answer}`);
  }

  /** Ends a server that {@link serve} started at `place`. */
  async close(place: Place, protocol: 'tcp' | 'udp', address: string, port: number): Promise<void> {
    const answer = await this.#probe(place).send({ verb: 'close', protocol, address, port });
    if (answer !== 'ok') throw new Error(`close at ${place} ${address}:${String(port)}: ${answer}`);
  }

  /** Asks from `place`: `name source` of who answered, an error's code, or `timeout`. */
  ask(
    place: Place,
    protocol: 'tcp' | 'udp',
    address: string,
    port: number,
    { timeoutMs = 2000, from = 0 } = {},
  ): Promise<string> {
    return this.#probe(place).send({ verb: 'ask', protocol, address, port, timeoutMs, from });
  }

  /** Opens a TCP connection that lasts; answers as `ask` does. Say something on it by the name given to it here. */
  open(place: Place, connection: string, address: string, port: number, from = 0): Promise<string> {
    return this.#probe(place).send({ verb: 'open', connection, address, port, from, timeoutMs: 5000 });
  }

  /** Says something on an open connection: `name source port` of who answers, `closed`, an error's code or `timeout`. */
  say(place: Place, connection: string, timeoutMs = 5000): Promise<string> {
    return this.#probe(place).send({ verb: 'say', connection, timeoutMs });
  }

  /** Sends one packet of a raw protocol, past all sockets. A sender that its own node forbids it has sent nothing. */
  sendRaw(from: Place, source: string, to: string, protocol: number, packet: Buffer): void {
    const domain = to.includes(':') ? sockets.AF_INET6 : sockets.AF_INET;
    const fd = runInNamespace(this.#name(from), () => sockets.open(domain, sockets.SOCK_RAW, protocol));
    try {
      sockets.bind(fd, encodeInetAddress(source, 0));
      sockets.sendTo(fd, packet, encodeInetAddress(to, 0));
    } catch (error) {
      if (!(error instanceof KernelError) || error.code !== 'EPERM') throw error;
    } finally {
      close(fd);
    }
  }

  /** Sends one TCP reset of no connection, which connection tracking calls invalid. */
  sendReset(from: Place, address: string, port: number): void {
    const domain = address.includes(':') ? sockets.AF_INET6 : sockets.AF_INET;
    const fd = runInNamespace(this.#name(from), () => sockets.open(domain, sockets.SOCK_RAW, 6));
    try {
      // RFC 9293, 3.1: ports, numbers, five words of header, RST, no window; the checksum is wrong, too.
      const header = Buffer.alloc(20);
      header.writeUInt16BE(port, 0);
      header.writeUInt16BE(port, 2);
      header.writeUInt8(5 << 4, 12);
      header.writeUInt8(0x04, 13);
      sockets.sendTo(fd, header, encodeInetAddress(address, 0));
    } finally {
      close(fd);
    }
  }

  /** Calls `act` within the node's namespace, as the agent there would. */
  onNode<T>(act: () => T): T {
    return runInNamespace(this.#name('node'), act);
  }

  /** Starts one of our own scripts at `place`. It ends with its standard input. */
  spawn(place: Place, script: string, ...args: string[]): ChildProcessWithoutNullStreams {
    const child = runInNamespace(this.#name(place), () => spawn(process.execPath, [script, ...args]));
    child.stderr.pipe(process.stderr);
    return child;
  }

  /** Runs a program at `place` and returns its output. */
  async exec(place: Place, program: string, ...args: string[]): Promise<string> {
    const { stdout } = await runInNamespace(this.#name(place), () => execa(program, args));
    return stdout;
  }

  #probe(place: Place): Probe {
    const probe = this.#probes.get(place);
    if (!probe) throw new Error(`no probe at ${place}`);
    return probe;
  }

  #name(place: string): string {
    return `${this.#prefix}-${place}`;
  }

  async #build(): Promise<void> {
    for (const place of ['switch', ...places]) {
      await execa('ip', ['netns', 'add', this.#name(place)]);
      // No waiting for link-local addresses to prove unique.
      const dad = ['all', 'default'].map((scope) => `net.ipv6.conf.${scope}.accept_dad=0`);
      await runInNamespace(this.#name(place), () => execa('sysctl', ['-qw', ...dad]));
      await this.#ip(place, 'link set lo up');
    }
    await this.#ip('switch', 'link add br0 type bridge', 'link set br0 up');
    for (const host of ['node', 'outside', 'peer'] as const) await this.#joinSwitch(host);
    await this.#buildNode();
    await this.#buildPeer();
    await this.#buildOutside();
    for (const place of places) this.#probes.set(place, new Probe(this.#name(place)));
  }

  async #joinSwitch(host: 'node' | 'outside' | 'peer'): Promise<void> {
    await this.#ip('switch', `link add ${host} type veth peer name eth0 netns ${this.#name(host)}`);
    await this.#ip('switch', `link set ${host} master br0 up`);
    await this.#ip(
      host,
      'link set eth0 up',
      `addr add ${addresses.ipv4[host]}/24 dev eth0`,
      `addr add ${addresses.ipv6[host]}/64 dev eth0 nodad`,
    );
  }

  async #buildNode(): Promise<void> {
    await this.#sysctl('node', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
    // A test asks more often than the kernel likes to refuse: one ICMP error per second and host.
    await this.#sysctl('node', 'net.ipv4.icmp_ratelimit=0', 'net.ipv6.icmp.ratelimit=0');
    // As NodeNetwork does: rules must not see what the bridge alone handles (absent where br_netfilter is not loaded).
    await this.#sysctl(
      'node',
      '--ignore',
      'net.bridge.bridge-nf-call-iptables=0',
      'net.bridge.bridge-nf-call-ip6tables=0',
    );
    // As NodeNetwork does: with a link-local address the kernel would send redirects, and pods would bypass the node.
    await this.#ip(
      'node',
      `link add weft0 address ${bridgeMac} type bridge`,
      'link set weft0 addrgenmode none',
      'link set weft0 up',
    );
    // As NodeNetwork does, for ports of pods at 127.0.0.1.
    await this.#sysctl('node', 'net.ipv4.conf.weft0.route_localnet=1');
    for (const family of familyNames) {
      const { also, bridge, outside, peer, dns } = addresses[family];
      await this.#ip(
        'node',
        `addr add ${bridge}/${family === 'ipv4' ? '24' : '64'} dev weft0 ${family === 'ipv6' ? 'nodad' : ''}`,
        `addr add ${dns}/${family === 'ipv4' ? '32' : '128'} dev lo`,
        // Deprecated: never chosen as a source.
        `addr add ${also}/${family === 'ipv4' ? '32' : '128'} dev eth0 preferred_lft 0 ${family === 'ipv6' ? 'nodad' : ''}`,
        `route add ${family === 'ipv4' ? '0.0.0.0/0' : '::/0'} via ${outside}`,
        `route add ${family === 'ipv4' ? '10.244.2.0/24' : 'fd00:10:244:2::/64'} via ${peer}`,
      );
    }
    for (const [pod, mac] of [
      ['pod1', '02:00:00:00:00:01'],
      ['pod2', '02:00:00:00:00:02'],
    ] as const) {
      await this.#ip(
        'node',
        `link add ${pod} type veth peer name eth0 address ${mac} netns ${this.#name(pod)}`,
      );
      await this.#ip(
        'node',
        `link set ${pod} master weft0 up`,
        `link set ${pod} type bridge_slave isolated on`,
        // As NodeNetwork does: without a link-local address the node can ask for nobody to whom it forwards.
        ...familyNames.map(
          (family) => `neigh add ${addresses[family][pod]} lladdr ${mac} dev weft0 nud permanent`,
        ),
      );
      await this.#ip(
        pod,
        'link set eth0 up',
        ...familyNames.map((family) => `neigh add ${addresses[family].bridge} lladdr ${bridgeMac} dev eth0`),
        `addr add ${addresses.ipv4[pod]}/32 dev eth0`,
        `addr add ${addresses.ipv6[pod]}/128 dev eth0 nodad`,
        `route add 0.0.0.0/0 via ${addresses.ipv4.bridge} dev eth0 onlink`,
        `route add ::/0 via ${addresses.ipv6.bridge} dev eth0 onlink`,
      );
    }
  }

  async #buildPeer(): Promise<void> {
    for (const family of familyNames) {
      const { node, far, neighbor } = addresses[family];
      const four = family === 'ipv4';
      await this.#ip(
        'peer',
        `addr add ${far}/${four ? '32' : '128'} dev lo`,
        `addr add ${neighbor}/${four ? '32' : '128'} dev lo`,
        `route add ${four ? '10.244.1.0/24' : 'fd00:10:244:1::/64'} via ${node}`,
        // As the outside host does.
        `route add ${four ? '0.0.0.0/0' : '::/0'} via ${node}`,
      );
    }
  }

  /** The outside host sends all that it does not know through the node, as if the cluster's addresses were announced. */
  async #buildOutside(): Promise<void> {
    await this.#ip('outside', `route add 0.0.0.0/0 via ${addresses.ipv4.node}`);
    await this.#ip('outside', `route add ::/0 via ${addresses.ipv6.node}`);
  }

  async #ip(place: string, ...lines: string[]): Promise<void> {
    await execa('ip', ['-n', this.#name(place), '-batch', '-'], { input: lines.join('\n') });
  }

  async #sysctl(place: Place, ...settings: string[]): Promise<void> {
    await this.exec(place, 'sysctl', '-qw', ...settings);
  }
}
