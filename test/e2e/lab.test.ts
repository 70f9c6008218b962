import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { diffMachineState, readMachineState } from '../../rig/residue.ts';
import { skipUnlessRoot } from '../root.ts';

const weft = join(import.meta.dirname, '../../bin/weft');
const name = 'lab-test';
const apiPort = '16453';

interface HostStatus {
  readonly name: string;
  readonly pid?: number;
  readonly ready: boolean;
}

interface Status {
  readonly kubeconfig: string;
  readonly server: HostStatus;
  readonly nodes: readonly HostStatus[];
}

function lab(...args: string[]): string {
  return execFileSync(weft, ['lab', '--name', name, ...args], { encoding: 'utf8' });
}

function status(): Status {
  return JSON.parse(lab('status', '--output', 'json')) as Status;
}

function pids(): (number | undefined)[] {
  const { server, nodes } = status();
  return [server, ...nodes].map(({ pid }) => pid);
}

function exec(
  host: string,
  command: readonly string[],
  input = '',
): { code: number | null; out: string; err: string } {
  const result = spawnSync(weft, ['lab', '--name', name, 'exec', host, '--', ...command], {
    input,
    encoding: 'utf8',
  });
  return { code: result.status, out: result.stdout, err: result.stderr };
}

if (skipUnlessRoot(t)) {
  const before = readMachineState();
  t.teardown(() => lab('down'));

  t.test('up: all nodes are Ready, and only a loopback socket is in the machine', (t) => {
    t.match(lab('up', '--nodes', '2', '--api-port', apiPort), /2 nodes Ready/);
    const now = readMachineState();
    for (const aspect of ['links', 'addresses', 'routes', 'rules']) {
      t.same(now[aspect], before[aspect], `${aspect} of the machine are as before`);
    }
    t.same(
      status().nodes.map((node) => [node.name, node.ready]),
      [
        ['node1', true],
        ['node2', true],
      ],
    );
    t.match(readFileSync(status().kubeconfig, 'utf8'), `https://127.0.0.1:${apiPort}`);
    t.end();
  });

  t.test('up again changes nothing', (t) => {
    const running = pids();
    lab('up');
    t.same(pids(), running);
    t.end();
  });

  t.test('exec passes stdin, stdout, stderr and the exit code', (t) => {
    t.same(exec('node1', ['sh', '-c', 'cat; echo bad >&2; exit 7'], 'good'), {
      code: 7,
      out: 'good',
      err: 'bad\n',
    });
    t.equal(exec('node1', ['sh', '-c', 'kill -9 $$']).code, 137);
    t.match(exec('node1', ['no-such-program']), { code: 127, err: /no-such-program/ });
    t.match(exec('nowhere', ['true']), {
      code: 1,
      err: /no host nowhere: name one of node1, node2, outside/,
    });
    t.end();
  });

  t.test('hosts are namespaces of one network, and the outside host serves names and who asks', (t) => {
    t.match(exec('node2', ['ip', '-br', 'address', 'show', 'eth0']).out, '172.30.0.12/24');
    t.equal(exec('node2', ['curl', '-sS', '--max-time', '5', 'http://172.30.0.2/']).out, '172.30.0.12\n');
    t.equal(
      exec('node2', ['curl', '-sS', '--max-time', '5', 'http://[fd00:172:30::2]/']).out,
      'fd00:172:30::12\n',
    );
    t.equal(exec('outside', ['dig', '+short', '@172.30.0.2', 'example.test']).out, '172.30.0.2\n');
    t.not(
      exec('node1', ['curl', '-sS', '--max-time', '5', 'http://192.0.2.1/']).code,
      0,
      'nothing leads out',
    );
    t.end();
  });

  t.test('a second agent on a node says so and exits', (t) => {
    t.match(exec('node2', [weft, 'agent']), { code: 1, err: /already runs for node2 \(process \d+\)/ });
    t.end();
  });

  t.test('an agent stopped is seen as such, and up starts it', (t) => {
    lab('stop', 'node2');
    t.match(status().nodes[1], { name: 'node2', ready: false });
    lab('up');
    t.match(status().nodes[1], { name: 'node2', ready: true });
    t.end();
  });

  t.test("another node's agent answers the DNS queries of one without, whatever way leads there", (t) => {
    const ask = (server: string): string =>
      exec('node1', ['dig', `@${server}`, '+short', 'kubernetes.default.svc.cluster.local']).out;
    const servers = ['10.96.0.10', 'fd00:10:96::a'];
    for (const mode of ['direct', 'vxlan']) {
      lab('up', '--network-mode', mode);
      lab('kill', 'node1');
      // The first is refused, and says so to those behind it.
      for (const server of servers) ask(server);
      for (const server of servers) t.equal(ask(server), '10.96.0.1\n', `${mode}: ${server}`);
      lab('up');
      for (const server of servers) t.match(ask(server), /^10\.96\.0\.1$/m, `${mode}: ${server} again`);
    }
    t.end();
  });

  t.test('killed processes and a namespace that somebody removed are made good', (t) => {
    lab('kill', 'server');
    lab('kill', 'node1');
    execFileSync('umount', [`/run/netns/weft-${name}-node2`]);
    lab('up');
    t.same(
      status().nodes.map(({ ready }) => ready),
      [true, true],
    );
    t.equal(exec('node2', ['curl', '-sS', '--max-time', '5', 'http://172.30.0.2/']).out, '172.30.0.12\n');
    t.end();
  });

  t.test('a lab whose state somebody deleted starts anew', (t) => {
    const stateDir = `/var/lib/weft/labs/${name}`;
    // The daemons still write.
    rmSync(stateDir, { recursive: true, maxRetries: 10, retryDelay: 50 });
    t.match(lab('up', '--nodes', '2', '--api-port', apiPort), /2 nodes Ready/);
    t.same(
      status().nodes.map(({ ready }) => ready),
      [true, true],
    );
    t.end();
  });

  t.test('the API port in use is named, with what to do', (t) => {
    const other = spawnSync(
      weft,
      ['lab', '--name', 'lab-test2', 'up', '--nodes', '1', '--api-port', apiPort],
      { encoding: 'utf8' },
    );
    t.equal(other.status, 1);
    t.match(other.stderr, new RegExp(`port ${apiPort} of 127.0.0.1 is in use: .*--api-port`));
    t.equal(other.stderr.trimEnd().split('\n').length, 1, 'before anything is made');
    t.notOk(existsSync('/var/lib/weft/labs/lab-test2'));
    t.end();
  });

  t.test('down leaves the machine as it was, and a second down is fine', (t) => {
    lab('down');
    t.same(diffMachineState(before, readMachineState()).slice(0, 20), []);
    lab('down');
    t.notOk(existsSync(`/var/lib/weft/labs/${name}`));
    t.end();
  });
}
