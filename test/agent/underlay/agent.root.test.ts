import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import t from 'tap';
import type { Node } from '../../../api/kinds/node.ts';
import {
  connectInNamespace,
  createNamespace,
  listNamespaces,
  removeNamespace,
  runInNamespace,
} from '../../../netns/namespace.ts';
import { listKubectls } from '../../kubectls.ts';
import { skipUnlessRoot } from '../../root.ts';

const weft = join(import.meta.dirname, '../../../bin/weft');
const prefix = `weft-test${process.pid}-`;
const network = `${prefix}net`;

/** A machine as Vagrant makes it: with a NAT of its own first, then a card of the network that they share. */
class Machine {
  readonly namespace: string;
  readonly directory = mkdtempSync(join(tmpdir(), 'weft-underlay-'));
  #daemon: ChildProcess | undefined;

  constructor(name: string, address: string) {
    this.namespace = prefix + name;
    createNamespace(this.namespace).close();
    runInNamespace(network, () => {
      const port = `ip link add ${name} type veth peer name eth1 netns ${this.namespace}`;
      execFileSync('sh', ['-ec', `${port} && ip link set ${name} master switch up`]);
    });
    this.run(
      'sh',
      '-ec',
      `ip link set lo up
      ip link add eth0 type bridge && ip link set eth0 up
      ip address add 10.0.2.15/24 dev eth0 && ip route add default via 10.0.2.2 dev eth0
      ip address add ${address}/24 dev eth1 && ip link set eth1 up`,
    );
  }

  run(program: string, ...args: string[]): string {
    return runInNamespace(this.namespace, () =>
      execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe', env: this.#environment() }),
    );
  }

  /** Starts weft without a word about addresses. */
  start(...args: string[]): void {
    const directories = [
      '--state-dir',
      join(this.directory, 'state'),
      '--run-dir',
      join(this.directory, 'run'),
    ];
    this.#daemon = runInNamespace(this.namespace, () =>
      // The test runner's hook for children would end the daemon by the signal itself.
      spawn('env', ['-u', 'NODE_OPTIONS', weft, ...args, ...directories], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...this.#environment(), WEFT_LOG_LEVEL: 'error' },
      }),
    );
  }

  isReady(): boolean {
    try {
      return this.run('curl', '-sf', '--max-time', '5', 'http://127.0.0.1:10256/readyz').length > 0;
    } catch {
      return false; // not listening, or not ready, yet
    }
  }

  async end(): Promise<void> {
    const daemon = this.#daemon;
    if (daemon?.exitCode === null) {
      const gone = once(daemon, 'exit');
      daemon.kill('SIGTERM');
      await gone;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  #environment(): NodeJS.ProcessEnv {
    return { ...process.env, XTABLES_LOCKFILE: join(this.directory, 'xtables.lock') };
  }
}

/** The names in the certificate that a machine shows at its port for exec and logs. */
async function namesShown(from: Machine, host: string): Promise<string> {
  const socket = new Socket({ fd: connectInNamespace(from.namespace, { host, port: 10250 }) });
  const tls = connect({ socket, rejectUnauthorized: false });
  try {
    await once(tls, 'secureConnect');
    return tls.getPeerCertificate().subjectaltname ?? '';
  } finally {
    tls.on('error', () => tls.destroy());
    tls.destroy();
  }
}

/** Waits for a minute: on a busy machine agents take their time to start. */
async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    if (await condition()) return;
    await sleep(100);
  }
  throw new Error(`never happened: ${what}`);
}

/** On the member, with the member's own addresses. Its image need not be there: its status tells the addresses. */
const pod = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'host' },
  spec: { nodeName: 'member', hostNetwork: true, containers: [{ name: 'main', image: 'missing' }] },
});

if (skipUnlessRoot(t)) {
  t.test('agents that find their own addresses, one of which changes', async (t) => {
    const [kubectl] = listKubectls();
    createNamespace(network).close();
    t.teardown(() => {
      for (const name of listNamespaces(prefix)) removeNamespace(name);
    });
    runInNamespace(network, () =>
      execFileSync('sh', ['-ec', 'ip link add switch type bridge && ip link set switch up']),
    );
    const server = new Machine('server', '192.168.56.11');
    t.teardown(() => server.end());
    const member = new Machine('member', '192.168.56.12');
    t.teardown(() => member.end());
    const serverState = join(server.directory, 'state/server');
    server.start('up', '--node-name', 'server');
    const joining = ['--server', 'https://192.168.56.11:6443', '--token-file', join(serverState, 'token')];
    member.start('agent', '--node-name', 'member', ...joining);
    await eventually('both ready', () => server.isReady() && member.isReady());

    const config = join(serverState, 'admin.kubeconfig');
    const podIPs = (): string => {
      const query = ['get', 'pod', 'host', '-o', 'jsonpath={.status.hostIP} {.status.podIP}'];
      return server.run(kubectl?.path ?? 'kubectl', '--kubeconfig', config, ...query);
    };
    const nodes = (): Node[] => {
      const text = server.run(
        kubectl?.path ?? 'kubectl',
        '--kubeconfig',
        config,
        'get',
        'nodes',
        '-o',
        'json',
      );
      return (JSON.parse(text) as { items: Node[] }).items;
    };
    const internalIPs = (name: string): string[] => {
      const node = nodes().find(({ metadata }) => metadata.name === name);
      return (node?.status?.addresses ?? []).flatMap(({ type, address }) =>
        type === 'InternalIP' ? [address] : [],
      );
    };
    t.same(internalIPs('server'), ['192.168.56.11'], 'not the NAT of every machine, on the server');
    t.same(internalIPs('member'), ['192.168.56.12'], 'nor where the default route leads');

    const podFile = join(server.directory, 'pod.json');
    writeFileSync(podFile, pod);
    server.run(kubectl?.path ?? 'kubectl', '--kubeconfig', config, 'apply', '-f', podFile);
    await eventually('a pod', () => podIPs() === '192.168.56.12 192.168.56.12');

    member.run('ip', 'address', 'delete', '192.168.56.12/24', 'dev', 'eth1');
    member.run('ip', 'address', 'add', '192.168.56.77/24', 'dev', 'eth1');
    await eventually('the Node object', () => internalIPs('member').join() === '192.168.56.77');
    t.pass('the Node object has the new address');
    await eventually('the certificate', async () => {
      try {
        return (await namesShown(server, '192.168.56.77')).includes('192.168.56.77');
      } catch {
        return false; // does not listen there yet
      }
    });
    t.pass('exec and logs are served on it, with a certificate for it');
    t.equal(server.run('curl', '-sf', 'http://192.168.56.77:10256/healthz'), 'ok\n', 'health, too');
    await eventually('the pod', () => podIPs() === '192.168.56.77 192.168.56.77');
    t.pass("the status of the node's pods has it");
    await eventually('ready again', () => member.isReady());
    // Direct routes or forwarding entries of the vxlan, whichever the node uses.
    const ways = (): string =>
      server.run('sh', '-c', 'ip route show proto 117; bridge fdb show dev weft-vxlan');
    await eventually('ways', () => ways().includes('192.168.56.77'));
    t.pass('the other node takes the new way');
    const rules = (): string => server.run('iptables-save');
    await eventually(
      'rules',
      () => rules().includes('192.168.56.77/32') && !rules().includes('192.168.56.12/32'),
    );
    t.pass("and the Services' rules know it");

    await t.test('another address of the server', async (t) => {
      server.run('ip', 'address', 'delete', '192.168.56.11/24', 'dev', 'eth1');
      server.run('ip', 'address', 'add', '192.168.56.21/24', 'dev', 'eth1');
      await eventually('the kubeconfig', () =>
        readFileSync(config, 'utf8').includes('https://192.168.56.21:6443'),
      );
      // By the new address: the certificate has to be for it.
      await eventually('the Node object', () => internalIPs('server').join() === '192.168.56.21');
      t.pass('the kubeconfig leads there, the server is trusted there, and its own Node object has it');
      const query = ['get', 'endpointslice', 'kubernetes', '-o', 'jsonpath={.endpoints[*].addresses[*]}'];
      const endpoint = (): string => server.run(kubectl?.path ?? 'kubectl', '--kubeconfig', config, ...query);
      await eventually('the Service kubernetes', () => endpoint() === '192.168.56.21');
      t.pass('the Service kubernetes leads there');
      await eventually('ready again', () => server.isReady());
    });
  });
}
