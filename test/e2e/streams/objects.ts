const image = 'radial/busyboxplus:curl';
const base = { restartPolicy: 'Never', terminationGracePeriodSeconds: 1 };

interface Container {
  readonly name: string;
  readonly command: readonly string[];
  readonly [field: string]: unknown;
}

function pod(name: string, containers: readonly Container[], spec: object = {}) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: { ...base, containers: containers.map((container) => ({ image, ...container })), ...spec },
  };
}

const sh = (script: string): string[] => ['sh', '-c', script];

/** Sends back what it gets, each connection in a process of its own, on port 7000 of all the pod's addresses. */
const echo = `use IO::Socket::INET;
$SIG{CHLD} = "IGNORE";
my $server = IO::Socket::INET->new(LocalPort => 7000, Listen => 100, ReuseAddr => 1) or die;
while (my $client = $server->accept) {
  if (fork) { close $client; next }
  my $bytes;
  while (sysread $client, $bytes, 65536) { for (my $at = 0; $at < length $bytes;) { $at += syswrite $client, $bytes, 65536, $at or exit } }
  exit;
}`;

const echoSpec = {
  ...base,
  restartPolicy: 'Always',
  containers: [{ name: 'echo', image, command: ['perl', '-e', echo] }],
};

function controller(apiVersion: string, kind: string, name: string, selector: object) {
  const template = { metadata: { labels: { app: name } }, spec: echoSpec };
  return { apiVersion, kind, metadata: { name }, spec: { replicas: 1, selector, template } };
}

/** What the checks need, as one file for `kubectl create -f -`. */
export const objects = JSON.stringify({
  apiVersion: 'v1',
  kind: 'List',
  items: [
    pod('shell', [{ name: 'main', command: ['sleep', '100000'] }]),
    pod('steps', [{ name: 'main', command: sh('for i in 1 2 3; do echo step $i; sleep 1; done') }]),
    pod('pair', [
      { name: 'talk', command: sh('echo talk; sleep 100000') },
      { name: 'other', command: sh('echo other; sleep 100000') },
    ]),
    pod('crash', [{ name: 'main', command: sh('echo crashed; exit 3') }], { restartPolicy: 'Always' }),
    pod('waits', [{ name: 'main', command: ['true'], image: 'no-such-image' }]),
    controller('v1', 'ReplicationController', 'echo', { app: 'echo' }),
    controller('apps/v1', 'Deployment', 'echod', { matchLabels: { app: 'echod' } }),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'echo' },
      spec: { selector: { app: 'echo' }, ports: [{ port: 80, targetPort: 7000 }] },
    },
  ],
});

/** A pod whose input a client types; it ends with the input. */
export function typedPod(name: string): string {
  const command = sh('while read line; do echo "got $line"; echo "heard $line" >&2; done; echo over; exit 6');
  return JSON.stringify(pod(name, [{ name: 'main', command, stdin: true, stdinOnce: true }]));
}

/** A pod that says three lines, one after the other, and ends. */
export function countingPod(name: string): string {
  return JSON.stringify(
    pod(name, [{ name: 'main', command: sh('for i in 1 2 3; do sleep 1; echo count $i; done') }]),
  );
}

/** A pod that stands bound to a node that nobody knows. */
export const lostPod = JSON.stringify(
  pod('lost', [{ name: 'main', command: ['true'] }], { nodeName: 'nowhere' }),
);

export const runImage = image;
