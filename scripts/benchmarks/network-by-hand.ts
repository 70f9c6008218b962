import { execFileSync } from 'node:child_process';
import { createNamespace, removeNamespace, runInNamespace } from '../../netns/namespace.ts';
import type { NetworkPath } from './network-path.ts';

/** As a plain host has it, with the devices of flannel, and what the pods' links carry there. */
const styles = { bare: { mtu: 1500 }, flannel: { mtu: 1450 } } as const;

type Style = keyof typeof styles;

interface Host {
  readonly name: string;
  readonly namespace: string;
  readonly pod: string;
  readonly number: number;
  readonly underlay: string;
  readonly mac: string;
}

function hostOf(number: number, prefix: string): Host {
  return {
    name: `host${number}`,
    namespace: `${prefix}host${number}`,
    pod: `${prefix}pod${number}`,
    number,
    underlay: `192.0.2.${number}`,
    mac: `02:00:00:00:00:0${number}`,
  };
}

/**
 * Two hosts on a switch, as a lab has them, each with a pod on a bridge: by hand, with iproute2 and iptables.
 * `flannel`: with the devices, routes, static entries and rules that flannel 0.26 makes for its vxlan backend and the
 * bridge plugin for a pod. `bare`: with a route to the other host's pods and no rule at all, which is what a pod's link
 * and bridge cost by themselves.
 */
export class HandMadeSite implements Disposable {
  readonly #undo = new DisposableStack();
  /** From host to host, which is the underlay, and from pod to pod. */
  readonly underlay: NetworkPath;
  readonly pods: NetworkPath;

  constructor(style: Style) {
    using undo = new DisposableStack();
    const prefix = `weft-${style}${process.pid}-`;
    const [first, second] = [hostOf(1, prefix), hostOf(2, prefix)] as const;
    const hub = `${prefix}switch`;
    for (const name of [hub, ...[first, second].flatMap(({ namespace, pod }) => [namespace, pod])]) {
      createNamespace(name).close();
      undo.defer(() => removeNamespace(name));
    }
    ip(hub, 'link add switch type bridge', 'link set switch up');
    for (const host of [first, second]) plugIn(hub, host);
    for (const [host, peer] of [[first, second] as const, [second, first] as const]) {
      makePod(host, styles[style].mtu);
      if (style === 'flannel') makeOverlay(host, peer, styles[style].mtu);
      else ip(host.namespace, `route add 10.250.${peer.number}.0/24 via ${peer.underlay}`);
    }
    this.underlay = {
      name: `underlay, ${style}`,
      client: first.namespace,
      server: second.namespace,
      address: second.underlay,
    };
    this.pods = { name: style, client: first.pod, server: second.pod, address: podAddress(second) };
    this.#undo.use(undo.move());
  }

  [Symbol.dispose](): void {
    this.#undo.dispose();
  }
}

function podAddress({ number }: Host): string {
  return `10.250.${number}.2`;
}

function plugIn(hub: string, { namespace, name, underlay }: Host): void {
  ip(
    hub,
    `link add ${name} type veth peer name eth0 netns ${namespace}`,
    `link set ${name} master switch up`,
  );
  ip(namespace, 'link set lo up', 'link set eth0 up', `address add ${underlay}/24 dev eth0`);
}

function makePod(host: Host, mtu: number): void {
  const { namespace, pod, number } = host;
  runIn(namespace, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
  ip(
    namespace,
    `link add cni0 mtu ${mtu} type bridge`,
    `address add 10.250.${number}.1/24 dev cni0`,
    'link set cni0 up',
    `link add veth0 mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${pod}`,
    'link set veth0 master cni0 up',
  );
  ip(
    pod,
    'link set lo up',
    'link set eth0 up',
    `address add ${podAddress(host)}/24 dev eth0`,
    `route add default via 10.250.${number}.1`,
  );
}

function makeOverlay({ namespace, number, underlay, mac }: Host, peer: Host, mtu: number): void {
  ip(
    namespace,
    `link add flannel.1 address ${mac} mtu ${mtu} type vxlan id 1 local ${underlay} dev eth0 dstport 8472 nolearning`,
    'link set flannel.1 up',
    `address add 10.250.${number}.0/32 dev flannel.1`,
    `route add 10.250.${peer.number}.0/24 via 10.250.${peer.number}.0 dev flannel.1 onlink`,
    `neighbor add 10.250.${peer.number}.0 lladdr ${peer.mac} dev flannel.1 nud permanent`,
  );
  runIn(namespace, 'bridge', 'fdb', 'append', peer.mac, 'dev', 'flannel.1', 'dst', peer.underlay);
  addRules(namespace, number);
}

/** What flannel's iptables manager adds to filter and nat. */
function addRules(namespace: string, number: number): void {
  const rules = [
    '*filter',
    ':FLANNEL-FWD - [0:0]',
    '-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD',
    '-A FLANNEL-FWD -s 10.250.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
    '-A FLANNEL-FWD -d 10.250.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
    'COMMIT',
    '*nat',
    ':FLANNEL-POSTRTG - [0:0]',
    '-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG',
    '-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN',
    `-A FLANNEL-POSTRTG -s 10.250.${number}.0/24 -d 10.250.0.0/16 -m comment --comment "flanneld masq" -j RETURN`,
    `-A FLANNEL-POSTRTG -s 10.250.0.0/16 -d 10.250.${number}.0/24 -m comment --comment "flanneld masq" -j RETURN`,
    `-A FLANNEL-POSTRTG ! -s 10.250.0.0/16 -d 10.250.${number}.0/24 -m comment --comment "flanneld masq" -j RETURN`,
    '-A FLANNEL-POSTRTG -s 10.250.0.0/16 ! -d 224.0.0.0/4 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully',
    '-A FLANNEL-POSTRTG ! -s 10.250.0.0/16 -d 10.250.0.0/16 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully',
    'COMMIT',
    '',
  ].join('\n');
  runInNamespace(namespace, () => execFileSync('iptables-restore', ['--noflush', '-w'], { input: rules }));
}

/** `ip` commands inside a namespace, a line each. */
function ip(namespace: string, ...lines: string[]): void {
  runInNamespace(namespace, () => execFileSync('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n` }));
}

function runIn(namespace: string, program: string, ...args: string[]): void {
  runInNamespace(namespace, () => execFileSync(program, args));
}
