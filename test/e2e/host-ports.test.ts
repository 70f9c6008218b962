/** Pods with ports of their node: who gets them, who has to wait, and from where they are reached. */
import t from 'tap';
import { eventually } from '../../scripts/guide/lab-shell.ts';
import { diffMachineState, readMachineState } from '../../rig/residue.ts';
import { skipUnlessRoot } from '../root.ts';
import { listKubectls, type Kubectl } from '../kubectls.ts';
import { TestLab, weft } from './lab-fixture.ts';

const serve = ['sh', '-c', 'mkdir -p /www; hostname >/www/index.html; exec busybox httpd -f -p 80 -h /www'];

if (skipUnlessRoot(t)) {
  const before = readMachineState();
  const lab = new TestLab('host-ports-test', 2);
  const [kubectl] = listKubectls([33]).slice(-1) as [Kubectl];
  const shell = lab.shell(kubectl);

  const create = async (name: string, nodeName?: string): Promise<void> => {
    const container = { name: 'web', image: 'web:1', ports: [{ containerPort: 80, hostPort: 8080 }] };
    const metadata = { name, labels: { app: 'web' } };
    const spec = { ...(nodeName === undefined ? {} : { nodeName }), containers: [container] };
    const patch = JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata, spec });
    await shell.kubectl('run', name, '--image=web:1', '--overrides', patch);
  };
  const running = (...names: string[]): Promise<string> =>
    shell.kubectl('wait', '--for=condition=Ready', '--timeout=60s', ...names.map((name) => `pod/${name}`));
  const nodeOf = async (name: string): Promise<string> =>
    shell.kubectl('get', 'pod', name, '-o', 'jsonpath={.spec.nodeName}');
  const read = (host: string, address: string): Promise<string> =>
    shell.onNode(host, 'curl', '-gsS', '--max-time', '2', `http://${address}:8080/`);
  const told = (name: string, words: string): Promise<void> =>
    eventually(async () => {
      const events = await shell.kubectl('events', '--for', `pod/${name}`);
      if (!events.includes(words)) throw new Error(`${words} is not in ${events}`);
    });

  t.test('two pods with one port go to two nodes, a third waits', async (t) => {
    await lab.up();
    const add = (node: string): Promise<string> =>
      shell.onNode(node, weft, 'image', 'add', 'web:1', '--host-root', '--', ...serve);
    await Promise.all(lab.nodes.map(add));
    await create('a');
    await create('b');
    await running('a', 'b');
    t.same(new Set([await nodeOf('a'), await nodeOf('b')]), new Set(lab.nodes));
    await create('c');
    await told('c', "2 node(s) didn't have free ports for the requested pod ports");
  });

  t.test('each is reached at its node, over both families, from everywhere', async (t) => {
    const [host, other] = [await nodeOf('a'), await nodeOf('b')];
    const addresses = (await shell.nodes())
      .find(({ metadata }) => metadata.name === host)
      ?.status?.addresses?.filter(({ type }) => type === 'InternalIP')
      .map(({ address }) => (address.includes(':') ? `[${address}]` : address));
    t.equal(addresses?.length, 2);
    for (const address of addresses ?? []) {
      for (const from of ['outside', other, host]) {
        t.equal(await eventually(() => read(from, address)), 'a\n', `${from} → ${address}`);
      }
      for (const pod of ['a', 'b']) {
        const page = await shell.inPod(pod, 'curl', '-gsS', '--max-time', '2', `http://${address}:8080/`);
        t.equal(page, 'a\n', `pod ${pod} → ${address}`);
      }
    }
    t.equal(await read(host, '127.0.0.1'), 'a\n', 'and at loopback, from its node');
  });

  t.test('one that is sent to a taken port is told whose it is, and has it afterwards', async (t) => {
    const host = await nodeOf('a');
    await create('d', host);
    await told('d', 'hostPort 8080/TCP belongs to pod default/a');
    await shell.kubectl('delete', 'pod', 'c', 'a', '--grace-period=0', '--force');
    await running('d');
    t.equal(await eventually(() => read(host, '127.0.0.1')), 'd\n');
    await shell.kubectl('delete', 'pod', 'd', '--grace-period=0', '--force');
    await eventually(async () => {
      const code = await shell.onNode(host, 'sh', '-c', 'curl -s 127.0.0.1:8080; echo $?');
      if (code !== '7\n') throw new Error(`curl ended with ${code}`);
    });
    t.pass('and nobody has it when it is gone');
  });

  t.test('lab down leaves the machine as it was', (t) => {
    lab.down();
    t.same(diffMachineState(before, readMachineState()), []);
    t.end();
  });
}
