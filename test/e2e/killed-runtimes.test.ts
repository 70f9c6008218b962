/**
 * Container runtimes that are killed while the CNI plugin works for them: what they no longer know of, a garbage
 * collection takes away, and a container that they do know keeps its network.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { openLab } from '../../agent/lab/lab-settings.ts';
import { listNamespaces, removeNamespace } from '../../netns/namespace.ts';
import { eventually } from '../../scripts/guide/lab-shell.ts';
import { readNetwork, readRules, readTracked } from '../../scripts/soaks/cni-readings.ts';
import { HostShell } from '../../scripts/soaks/host-shell.ts';
import { Plugin } from '../agent/cni/plugin.ts';
import { Random } from '../../rig/random.ts';
import { diffMachineState, readMachineState } from '../../rig/residue.ts';
import { skipUnlessRoot } from '../root.ts';
import { Containerd } from '../runtimes/containerd.ts';
import type { RuntimeOptions } from '../runtimes/containerd.ts';
import type { PodSandboxConfig } from '../runtimes/cri-client.ts';
import { imageName, makeImage } from '../runtimes/image.ts';
import { cgroupParent, removeRuntimeResidue } from '../runtimes/machine.ts';
import { Podman } from '../runtimes/podman.ts';
import { TestLab } from './lab-fixture.ts';

const seed = 1;
/** About so long a plugin's call takes, and what the runtime does right after. */
const momentMs = 30;
const firstHostPort = 21_000;

function sandboxOf(number: number): PodSandboxConfig {
  const name = `killed-${number}`;
  return {
    metadata: { name, uid: name, namespace: 'default' },
    hostname: name,
    port_mappings: [{ container_port: 80, host_port: firstHostPort + number }],
    linux: { cgroup_parent: cgroupParent },
  };
}

/** Namespaces that runtimes made, and may have forgotten. */
function listForeignNamespaces(): string[] {
  return listNamespaces().filter((name) => !name.startsWith('weft-'));
}

/** All of ours on the node: links, neighbours, routes, queues, filters, cgroups, files, rules, tracked connections. */
function read(node: HostShell): string[] {
  const { file, namespace: _, ...network } = readNetwork(node);
  const files = file.filter((path) => /\/(network|cni-gone)\//.test(path));
  return [...Object.values(network).flat(), ...files, ...readRules(node), ...readTracked(node)];
}

/** Waits until so many have leases: then the plugin is at work, or has just ended. */
async function whenLeased(node: HostShell, isSo: (count: number) => boolean): Promise<void> {
  for (let i = 0; i < 2_000; i += 1) {
    if (isSo(node.leaseholders().length)) return;
    await sleep(5);
  }
  throw new Error('the plugin was never called');
}

/** What a podman that was killed has mounted and does not know of: it would keep it from removing the container. */
function unmountBelow(directory: string): void {
  const places = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ')[4] ?? [])
    .filter((place) => place.startsWith(`${directory}/`));
  for (const place of places.reverse()) execFileSync('umount', ['--lazy', place]);
}

if (skipUnlessRoot(t)) {
  const before = readMachineState();
  const foreignBefore = listForeignNamespaces();
  const directory = mkdtempSync(join(tmpdir(), 'weft-killed-'));
  const lab = new TestLab('killed-test', 1);
  const image = makeImage(join(directory, 'image'));
  const random = new Random(seed);
  let node: HostShell;
  let empty: readonly string[];

  const optionsOf = (name: string): RuntimeOptions => ({
    namespace: node.host.namespace,
    directory: join(directory, name),
    image,
    cni: { binDir: join(node.host.runDir, 'cni/bin'), configDir: join(node.host.runDir, 'cni/net.d') },
    environment: { WEFT_RUN_DIR: node.host.runDir },
  });
  const collectGarbage = async (containers: readonly string[]): Promise<void> => {
    const valid = containers.map((containerID) => ({ containerID, ifname: 'eth0' }));
    await new Plugin(node.host.runDir).succeed({
      verb: 'GC',
      config: { 'cni.dev/valid-attachments': valid },
    });
  };
  const whenEmpty = (): Promise<void> =>
    eventually(() => {
      const changed = [...new Set(read(node)).symmetricDifference(new Set(empty))];
      return changed.length === 0 ? Promise.resolve() : Promise.reject(new Error(changed.join('\n')));
    });

  t.teardown(() => {
    lab.down();
    rmSync(directory, { recursive: true });
  });

  t.test('containerd, in the middle of sandboxes', async (t) => {
    await lab.up('--network-mode', 'vxlan');
    const [host] = openLab(lab.name).nodes;
    if (!host) throw new Error('the lab has no node');
    node = new HostShell(host);
    let containerd = await Containerd.start(optionsOf('containerd'));
    await containerd.cri.removeSandbox(await containerd.cri.runSandbox(sandboxOf(0)));
    await eventually(() => (readTracked(node).length > 0 ? Promise.reject(new Error()) : Promise.resolve()));
    empty = read(node);
    const bystander = await containerd.cri.runSandbox(sandboxOf(1));
    const ips = await containerd.cri.addressesOf(bystander);
    const sandboxes = Promise.allSettled([2, 3, 4].map((i) => containerd.cri.runSandbox(sandboxOf(i))));
    const made = 1 + random.below(3);
    await whenLeased(node, (count) => count > made);
    const laterMs = random.below(momentMs);
    await sleep(laterMs);
    await containerd.kill();
    await sandboxes;
    containerd = await Containerd.start(optionsOf('containerd'));
    const known = await containerd.cri.listSandboxes();
    await collectGarbage(known);
    const leases = node.leaseholders();
    const strange = leases.filter((owner) => !known.some((id) => owner === `cni:${id}:eth0`));
    const when = `killed ${laterMs} ms after ${made} of 3 had leases (seed ${seed})`;
    t.same(strange, [], `${when}: ${leases.length} leases, ${known.length} sandboxes known`);
    t.ok(known.includes(bystander), when);
    for (const ip of ips) t.match(node.run('ping', '-n', '-c', '1', '-w', '2', ip), / 0% packet loss/, when);
    for (const id of await containerd.cri.listSandboxes()) await containerd.cri.removeSandbox(id);
    t.same(node.leaseholders(), [], 'what it knows, it takes away');
    await whenEmpty();
    await containerd[Symbol.asyncDispose]();
  });

  t.test('podman, while it makes a container, and while it removes one', async (t) => {
    const podman = new Podman(optionsOf('podman'));
    const settings = ['--network', 'weft', '--cgroup-parent', cgroupParent, '--publish', '21100:80'];
    const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024'];
    const calls = [
      { args: ['run', '--detach', ...settings, ...limits, imageName], leases: 1 },
      { args: ['rm', '--all', '--force', '--time', '0'], leases: 0 },
    ] as const;
    const [run, remove] = calls;
    for (const { args, leases } of calls) {
      if (args === remove.args) podman.run(...run.args);
      const process = podman.start(...args);
      const ended = once(process, 'exit');
      await whenLeased(node, (count) => count === leases);
      const laterMs = random.below(momentMs);
      await sleep(laterMs);
      process.kill('SIGKILL');
      await ended;
      unmountBelow(join(directory, 'podman'));
      podman[Symbol.dispose]();
      await collectGarbage([]);
      const when = `${args[0]} killed ${laterMs} ms after it came to ${leases} leases (seed ${seed})`;
      t.same(node.leaseholders(), [], when);
      await whenEmpty();
    }
  });

  t.test('the machine is as before', async () => {
    for (const name of listForeignNamespaces()) if (!foreignBefore.includes(name)) removeNamespace(name);
    lab.down();
    removeRuntimeResidue();
    await eventually(() => {
      const left = diffMachineState(before, readMachineState());
      return left.length > 0 ? Promise.reject(new Error(left.join('\n'))) : Promise.resolve();
    });
  });
}
