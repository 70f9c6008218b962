/**
 * Containers of containerd and podman beside pods of our own, on three nodes: each runtime calls the CNI plugin by
 * itself, and everybody reaches everybody, and Services.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { LabHost } from '../../agent/lab/lab-plan.ts';
import { openLab } from '../../agent/lab/lab-settings.ts';
import { readBootId, readState } from '../../cni/lease-file.ts';
import type { AttachmentRecord } from '../../agent/network/attachment.ts';
import { eventually } from '../../scripts/guide/lab-shell.ts';
import { listKubectls, type Kubectl } from '../kubectls.ts';
import { diffMachineState, readMachineState } from '../../rig/residue.ts';
import { skipUnlessRoot } from '../root.ts';
import { Containerd } from '../runtimes/containerd.ts';
import type { RuntimeOptions } from '../runtimes/containerd.ts';
import type { PodSandboxConfig } from '../runtimes/cri-client.ts';
import { imageName, makeImage, serverCommand } from '../runtimes/image.ts';
import { cgroupParent, removeRuntimeResidue } from '../runtimes/machine.ts';
import { Podman } from '../runtimes/podman.ts';
import { TestLab } from './lab-fixture.ts';
import { askForPorts, containerPorts, hostPorts } from './runtime-ports.ts';

/** A container that serves `/cgi-bin/whoami` (or a pod `/whoami`), and that can ask others. */
interface Member {
  readonly name: string;
  readonly ips: readonly string[];
  readonly url: (host: string) => string;
  readonly get: (url: string) => Promise<string>;
}

const dns = { servers: ['10.96.0.10'], searches: ['default.svc.cluster.local'] };
const sandbox: PodSandboxConfig = {
  metadata: { name: 'made-by-containerd', uid: 'made-by-containerd', namespace: 'default' },
  hostname: 'made-by-containerd',
  dns_config: dns,
  linux: { cgroup_parent: cgroupParent },
  port_mappings: [
    { protocol: 'TCP', container_port: containerPorts.tcp, host_port: hostPorts.tcp },
    { protocol: 'UDP', container_port: containerPorts.udp, host_port: hostPorts.udp },
  ],
};
const ownPod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'made-by-weft', labels: { app: 'own' } },
  spec: { nodeName: 'node3', containers: [{ name: 'nginx', image: 'nginx' }] },
};
const ownService = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'own' },
  spec: { selector: ownPod.metadata.labels, ports: [{ port: 80 }] },
};
/** A part of what `podman inspect` prints. */
interface PodmanContainer {
  readonly NetworkSettings: {
    readonly Networks: Readonly<
      Record<string, { readonly IPAddress: string; readonly GlobalIPv6Address: string }>
    >;
  };
}

const bracket = (host: string): string => (host.includes(':') ? `[${host}]` : host);
/** busybox's own time limit of wget ends it with a segmentation fault. */
const fetch = (url: string): string[] => ['timeout', '5', 'wget', '-q', '-O', '-', url];
const served = (host: string): string => `http://${bracket(host)}:8080/cgi-bin/whoami`;

/** What a node's leases file says: who has which addresses. */
function leasesOf(stateDir: string): string[] {
  return Object.keys(readState(join(stateDir, 'network', 'leases.json'), readBootId()).leases);
}

/** The namespaces of a node's containers. */
function containersOf(stateDir: string): string[] {
  const { leases } = readState<AttachmentRecord>(join(stateDir, 'network', 'leases.json'), readBootId());
  return Object.values(leases).flatMap(({ record }) => record?.netns ?? []);
}

/** A Service of its own for containers that the API knows nothing of. */
function serviceFor(name: string, members: readonly Member[]): object[] {
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec: { ports: [{ port: 80, targetPort: 8080 }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: members.map(({ ips }) => ({ addresses: ips.filter((ip) => !ip.includes(':')) })),
      ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    },
  ];
}

if (skipUnlessRoot(t)) {
  const before = readMachineState();
  const [kubectl] = listKubectls() as [Kubectl];
  const directory = mkdtempSync(join(tmpdir(), 'weft-runtimes-'));
  const lab = new TestLab('runtimes-test', 3);
  const shell = lab.shell(kubectl);
  const image = makeImage(join(directory, 'image'));
  let hosts: readonly LabHost[] = [];
  let containerd: Containerd;
  let podman: Podman;
  let sandboxId = '';
  const members: Member[] = [];

  const optionsOf = (host: LabHost, name: string): RuntimeOptions => ({
    namespace: host.namespace,
    directory: join(directory, name),
    image,
    cni: { binDir: join(host.runDir, 'cni/bin'), configDir: join(host.runDir, 'cni/net.d') },
    environment: { WEFT_RUN_DIR: host.runDir },
  });
  const create = async (objects: readonly object[]): Promise<void> => {
    const file = join(directory, 'objects.json');
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    await shell.kubectl('create', '-f', file);
  };

  t.teardown(async () => {
    await containerd[Symbol.asyncDispose]();
    lab.down();
    rmSync(directory, { recursive: true });
  });

  t.test('a lab, a containerd on its first node, a podman on its second', async () => {
    await lab.up();
    hosts = openLab(lab.name).nodes;
    const [first, second] = hosts as [LabHost, LabHost];
    containerd = await Containerd.start(optionsOf(first, 'containerd'));
    podman = new Podman(optionsOf(second, 'podman'));
  });

  t.test('containerd gives a sandbox its network', async (t) => {
    const { cri } = containerd;
    sandboxId = await cri.runSandbox(sandbox);
    const ips = await cri.addressesOf(sandboxId);
    t.match(ips, [/^10\.244\.\d+\.\d+$/, /^fd00:10:244:/], 'both families, IPv4 first');
    const id = await cri.startContainer(sandboxId, sandbox, imageName, serverCommand);
    const get = async (url: string): Promise<string> => {
      const { stdout, stderr, exitCode } = await cri.exec(id, ...fetch(url));
      if (exitCode !== 0) throw new Error(stderr);
      return stdout;
    };
    members.push({ name: sandbox.hostname, ips, url: served, get });
  });

  t.test('podman gives a container its network', (t) => {
    const name = 'made-by-podman';
    const settings = [
      '--name',
      name,
      '--hostname',
      name,
      '--network',
      'weft',
      ...(['tcp', 'udp'] as const).flatMap((protocol) => [
        '--publish',
        `${hostPorts[protocol]}:${containerPorts[protocol]}/${protocol}`,
      ]),
      '--cgroup-parent',
      cgroupParent,
      // podman would raise both limits, which not every machine lets root do.
      ...['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024'],
    ];
    podman.run(
      'run',
      '--detach',
      ...settings,
      '--entrypoint',
      serverCommand[0],
      imageName,
      ...serverCommand.slice(1),
    );
    const [{ NetworkSettings }] = JSON.parse(podman.run('inspect', name)) as [PodmanContainer];
    const { IPAddress, GlobalIPv6Address } = NetworkSettings.Networks['weft'] ?? {};
    const ips = [IPAddress ?? '', GlobalIPv6Address ?? ''];
    t.match(ips, [/^10\.244\.\d+\.\d+$/, /^fd00:10:244:/]);
    const get = (url: string): Promise<string> => Promise.resolve(podman.run('exec', name, ...fetch(url)));
    members.push({ name, ips, url: served, get });
    t.end();
  });

  t.test('a pod of our own', async (t) => {
    const { name } = ownPod.metadata;
    await create([ownPod]);
    await shell.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'pod', name);
    const ips = await shell.kubectl('get', 'pod', name, '-o', 'jsonpath={.status.podIPs[*].ip}');
    t.equal(ips.split(' ').length, 2);
    members.push({
      name,
      ips: ips.split(' '),
      url: (host) => `http://${bracket(host)}/whoami`,
      get: (url) => shell.inPod(name, 'curl', '-sS', '--max-time', '5', url),
    });
  });

  t.test('everybody reaches everybody, in both families and without NAT', async (t) => {
    for (const client of members)
      for (const server of members.filter((each) => each !== client))
        for (const family of [0, 1]) {
          const seen = await client.get(server.url(server.ips[family] ?? ''));
          t.equal(
            seen.trim(),
            `${client.ips[family] ?? ''} ${server.name}`,
            `${client.name} → ${server.name}`,
          );
        }
  });

  t.test('ports of their nodes lead to containers, from everywhere', async (t) => {
    const [uid] = (
      await shell.kubectl('get', 'pod', ownPod.metadata.name, '-o', 'jsonpath={.metadata.uid}')
    ).split(' ');
    const { outside } = openLab(lab.name);
    for (const [i, { name }] of members.slice(0, 2).entries()) {
      const host = hosts[i] as LabHost;
      const clients = {
        'a host outside': outside.namespace,
        'its node': host.namespace,
        'another node': hosts[1 - i]?.namespace ?? '',
        'a pod': `/run/netns/weft-${uid ?? ''}`,
      };
      const [netns = ''] = containersOf(host.stateDir);
      for (const { question, answer } of await askForPorts({
        clients,
        netns,
        name,
        addresses: host.addresses,
      }))
        t.equal(answer, name, question);
    }
  });

  t.test('everybody reaches a Service of containers by its name, and the own pod by its', async (t) => {
    await create(serviceFor('containers', members.slice(0, 2)));
    const names = new Set(members.slice(0, 2).map(({ name }) => name));
    for (const client of members) {
      const url = 'http://containers.default.svc.cluster.local/cgi-bin/whoami';
      const answer = await eventually(() => client.get(url));
      t.ok(names.has(answer.trim().split(' ')[1] ?? ''), `${client.name}: ${answer}`);
    }
    await create([ownService]);
    for (const client of members) {
      const answer = await eventually(() => client.get('http://own.default.svc.cluster.local/whoami'));
      t.match(answer, / made-by-weft\n$/, client.name);
    }
  });

  t.test('what runtimes remove is gone, and the machine is as before', async (t) => {
    await containerd.cri.removeSandbox(sandboxId);
    podman[Symbol.dispose]();
    for (const { stateDir } of hosts.slice(0, 2)) t.same(leasesOf(stateDir), []);
    await containerd[Symbol.asyncDispose]();
    lab.down();
    removeRuntimeResidue();
    await eventually(() => {
      const left = diffMachineState(before, readMachineState());
      if (left.length > 0) throw new Error(left.join('\n'));
      return Promise.resolve();
    });
  });
}
