import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { createNamespace, removeNamespace, runInNamespace } from '../../../netns/namespace.ts';
import { skipUnlessRoot } from '../../root.ts';

const weft = new URL('../../../agent/main.ts', import.meta.url).pathname;
const server = new URL('../names/names-process.ts', import.meta.url).pathname;
const namespace = `weft-test-query${process.pid}`;
const S = 'default.svc.cluster.local';

/** What an agent leaves on its node: the cluster's ranges, copies of the API's objects, and a pod. */
function writeState(stateDir: string): void {
  const cluster = {
    clusterCIDRs: ['10.244.0.0/16'],
    serviceCIDRs: ['10.96.0.0/16'],
    dnsIPs: ['10.96.0.10', 'fd00:10:96::a'],
    zone: 'cluster.local',
  };
  const nginx = {
    metadata: { name: 'nginxsvc', namespace: 'default' },
    spec: { clusterIP: '10.96.1.2', ports: [{ name: 'http', port: 80 }] },
  };
  const late = { metadata: { name: 'late', namespace: 'default' }, spec: { clusterIP: '10.96.1.3' } };
  const pod = { uid: 'u1', namespace: 'default', name: 'client', ips: ['10.244.1.7'], startTime: '' };
  const files = {
    'cluster.json': JSON.stringify(cluster),
    'caches/namespaces.json': JSON.stringify([{ metadata: { name: 'default' } }]),
    'caches/services.json': JSON.stringify([nginx, late]),
    'caches/endpointslices.json': '[]',
    'pods/u1/pod.json': JSON.stringify({ ...pod, netns: `/run/netns/${namespace}` }),
    'pods/u1/etc/resolv.conf': `nameserver 10.96.0.9\nnameserver 10.96.0.10\nsearch none.cluster.local ${S}\noptions ndots:5\n`,
  };
  for (const [name, text] of Object.entries(files)) {
    const file = join(stateDir, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

if (skipUnlessRoot(t)) {
  const stateDir = mkdtempSync(join(tmpdir(), 'weft-query-'));
  writeState(stateDir);
  createNamespace(namespace).close();
  t.teardown(() => {
    removeNamespace(namespace);
    rmSync(stateDir, { recursive: true });
  });
  const inside = <T>(action: () => T): T => runInNamespace(namespace, action);
  for (const args of [
    'link set lo up',
    'address add 10.96.0.10/32 dev lo',
    'address add fd00:10:96::a/128 dev lo',
  ]) {
    inside(() => execFileSync('ip', args.split(' ')));
  }
  const env = {
    PATH: process.env['PATH'] ?? '',
    WEFT_STATE_DIR: stateDir,
    WEFT_RUN_DIR: stateDir,
    WEFT_NODE_NAME: 'node1',
    WEFT_NODE_IPS: '192.0.2.1',
  };
  /** By default in the node's network; the pod's is the same one, entered from the machine's. */
  const query = (args: string, enter = inside): { code: number | null; out: string; err: string } => {
    const command = [weft, 'dns', 'query', ...args.split(' ')];
    const { status, stdout, stderr } = enter(() =>
      spawnSync(process.execPath, command, { env, encoding: 'utf8' }),
    );
    return { code: status, out: stdout, err: stderr };
  };

  t.test('an answer, who gave it and why', async (t) => {
    const child = inside(() => spawn(process.execPath, [server], { stdio: ['pipe', 'pipe', 'inherit'] }));
    const ended = once(child, 'exit');
    for await (const line of createInterface(child.stdout)) if (line === '{"ready":true}') break;

    const found = query(`nginxsvc.${S} A`);
    t.match(
      found.out,
      /^nginxsvc\.default\.svc\.cluster\.local\. A → 10\.96\.0\.10\n {9}NOERROR, qr aa rd ra\n {9}nginxsvc\.default\.svc\.cluster\.local\. 5 IN A 10\.96\.1\.2\n {2}from {3}node1 \(this node\): answered from the cluster's names; \d+ bytes over UDP in [\d.]+ ms\n {2}why {4}the clusterIP of Service default\/nginxsvc;/,
    );
    t.match(
      found.out,
      /node\.crt|ca\.crt|told by this node's copy of \d{4}-/,
      'without the API, from the copy',
    );
    t.equal(found.code, 0);
    t.match(
      query(`nginxsvc.${S}`).out,
      /AAAA → 10\.96\.0\.10\n {9}NOERROR/,
      'the address types of the cluster',
    );
    t.match(
      query('10.96.1.2 --tcp --at fd00:10:96::a').out,
      /PTR → fd00:10:96::a\n.*\n.*PTR nginxsvc\.[^]*over TCP/,
    );
    t.match(
      query(`late.${S} A`).out,
      /NXDOMAIN[^]*by the API it should be records: the clusterIP of Service default\/late; [^]*has not heard of it yet/,
      'the server and the API disagree',
    );

    const steps = JSON.parse(query('nginxsvc A --from client -o json', (action) => action()).out) as unknown;
    t.match(steps, {
      from: 'default/client',
      steps: [
        {
          name: 'nginxsvc.none.cluster.local',
          searchDomain: 'none.cluster.local',
          outcome: 'no-name',
          exchanges: [
            {
              failures: [/^no answer from 10\.96\.0\.9 port 53|nobody listens on 10\.96\.0\.9/],
              rcode: 'NXDOMAIN',
            },
          ],
        },
        {
          name: `nginxsvc.${S}`,
          outcome: 'found',
          exchanges: [
            {
              server: '10.96.0.10',
              answer: [`nginxsvc.${S}. 5 IN A 10.96.1.2`],
              from: { node: 'node1', isThisNode: true },
            },
          ],
        },
      ],
    });

    child.kill('SIGSTOP');
    t.match(query(`nginxsvc.${S} A`), {
      code: 1,
      err: /^weft: no answer from 10\.96\.0\.10 port 53 within 2000 ms: no agent runs on this node: .*\n$/,
    });
    child.kill('SIGCONT');
    child.stdin.end();
    await ended;
    t.match(query(`nginxsvc.${S} A`), {
      code: 1,
      err: /^weft: nobody listens on 10\.96\.0\.10 port 53: no agent runs/,
    });
  });

  t.test('what cannot be asked is said in one line', (t) => {
    t.match(query('web --from shop/web'), {
      code: 1,
      err: /^weft: pod shop\/web is not on this node \(node1\): ask on/,
    });
    t.match(query('web..x'), { code: 1, err: /^weft: .*"web\.\.x" is not a DNS name.*\n$/ });
    t.match(query('web NOTYPE'), {
      code: 1,
      err: /^weft: .*write one of A, NS, .*, or TYPE and a number.*\n$/,
    });
    rmSync(join(stateDir, 'cluster.json'));
    t.match(query('web'), {
      code: 1,
      err: /cluster\.json cannot be read: no agent has run here: ask on a node/,
    });
    t.end();
  });
}
