import { spawn } from 'node:child_process';
import t from 'tap';

import { serviceOf, slicesOf } from '../../iptables/contract/objects.ts';
import type { Draft } from '../../iptables/contract/objects.ts';
import { addresses, familyNames, TestNetwork } from '../../iptables/network.ts';
import type { FamilyName, Place } from '../../iptables/network.ts';
import { skipUnlessRoot } from '../../root.ts';
import { Daemon, until } from './daemon.ts';

const port = 30_500;
const takenPort = 30_501;

/** Prints what a load balancer gets: `status localEndpoints weight healthy`, or the error's code. */
const client = `
  const [url] = process.argv.slice(1);
  fetch(url).then(async (response) => {
    const { localEndpoints, serviceProxyHealthy } = await response.json();
    const weight = response.headers.get('x-load-balancing-endpoint-weight');
    console.log(response.status, localEndpoints, weight, serviceProxyHealthy);
  }).catch((error) => console.log(error.cause?.code));
`;

function draftOf(name: string, healthCheckNodePort: number, to: NonNullable<Draft['to']>): Draft {
  const spec = { externalTrafficPolicy: 'Local', healthCheckNodePort } as const;
  return { name, balancer: true, to, spec };
}

if (skipUnlessRoot(t)) {
  await using network = await TestNetwork.create('health');
  const ask = (from: Place, family: FamilyName, to: keyof (typeof addresses)['ipv4'], asked = port) => {
    const address = addresses[family][to];
    const host = family === 'ipv4' ? address : `[${address}]`;
    return network.exec(from, process.execPath, '-e', client, `http://${host}:${String(asked)}/healthz`);
  };
  const script = new URL('health-check-process.ts', import.meta.url).pathname;
  const args = [script, 'nftables', ...familyNames.map((family) => addresses[family].node)];
  const daemon = new Daemon(
    network.onNode(() => spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })),
  );
  const put = (draft: Draft, deletionTimestamp?: string): void => {
    const service = serviceOf(draft, 20 + draft.name.length, familyNames);
    const metadata = { ...service.metadata, ...(deletionTimestamp ? { deletionTimestamp } : {}) };
    for (const object of [...slicesOf(draft, service, familyNames), { ...service, metadata }]) {
      daemon.child.stdin?.write(`${JSON.stringify(object)}\n`);
    }
  };
  /** Waits until a load balancer is told so; the test's own time limit is the only one. */
  const told = async (answer: string): Promise<void> => {
    while ((await ask('outside', 'ipv4', 'node')) !== answer)
      await new Promise((resolve) => setTimeout(resolve, 50));
  };
  await t.test('a load balancer is told which nodes have ready endpoints', async (t) => {
    put(draftOf('web', port, ['pod1', 'pod2', 'far']));
    await told('200 2 2 true');
    for (const family of familyNames) {
      t.equal(await ask('outside', family, 'node'), '200 2 2 true', `${family}: at the node's address`);
      t.equal(await ask('outside', family, 'also'), '200 2 2 true', `${family}: at its other one`);
      t.equal(await ask('pod1', family, 'bridge'), 'ECONNREFUSED', `${family}: not on the pod bridge`);
      t.equal(await ask('pod1', family, 'dns'), 'ECONNREFUSED', `${family}: nor at the DNS address`);
    }
    const draining = { pod: 'pod1', ready: false, serving: true, terminating: true } as const;
    put(draftOf('web', port, [draining, 'far']));
    await told('503 0 0 true');
    t.equal(await ask('outside', 'ipv6', 'node'), '503 0 0 true', 'who shuts down takes no new clients');
    put(draftOf('web', port, []), '2026-01-01T00:00:00Z');
    await told('ECONNREFUSED');
    t.equal(await ask('outside', 'ipv6', 'node'), 'ECONNREFUSED', 'with the Service goes its check');
  });
  await t.test('a port that another program holds', async (t) => {
    await network.serve('node', 'stranger', 'tcp', addresses.ipv4.node, takenPort);
    put(draftOf('other', takenPort, ['pod1']));
    await until(() => daemon.report.reasons.length > 0);
    t.strictSame(daemon.report.reasons, ['FailedToStartServiceHealthcheck']);
    t.match(
      daemon.report.messages[0],
      /healthCheckNodePort 30501: cannot listen on 192\.0\.2\.1: .*EADDRINUSE/,
    );
    t.equal(await ask('outside', 'ipv6', 'node', takenPort), '200 1 1 true', 'elsewhere it answers');
    t.equal(daemon.report.ready, true, 'and the rules are none the worse');
  });
  await daemon.end();
}
