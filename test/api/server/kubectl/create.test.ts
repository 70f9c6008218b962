import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { listKubectls } from '../../../kubectls.ts';
import { startServer } from '../fixture.ts';
import { Judge } from './judge.ts';

/** What `kubectl create` makes from its arguments: the first word is what `get` reads, the rest the command. */
const creations: readonly (readonly [what: string, line: string])[] = [
  ['secret/plain', 'secret generic plain --from-literal=user=admin --from-file=text.txt'],
  [
    'secret/tls',
    'secret docker-registry tls --docker-username=u --docker-password=p --docker-server=r.example',
  ],
  ['configmap/settings', 'configmap settings --from-literal=k=v --from-file=binary.bin'],
  ['service/cluster', 'service clusterip cluster --tcp=80:8080 --tcp=443'],
  ['service/headless', 'service clusterip headless --clusterip=None --tcp=80'],
  ['service/nodes', 'service nodeport nodes --tcp=80:http'],
  ['service/external', 'service externalname external --external-name=example.com'],
  ['service/balanced', 'service loadbalancer balanced --tcp=80'],
  ['deployment/web', 'deployment web --image=nginx --replicas=0 --port=80'],
  ['deployment/two', 'deployment two --image=nginx --image=busybox'],
  ['serviceaccount/robot', 'serviceaccount robot'],
];

/** Fields that two objects made one after the other cannot share. */
const own = ['uid', 'creationTimestamp', 'resourceVersion', 'managedFields', 'namespace'];
const allocated = ['clusterIP', 'clusterIPs', 'nodePort', 'secrets'];

function comparable(text: string): unknown {
  return JSON.parse(text, (name, value: unknown) =>
    [...own, ...allocated].includes(name) && value !== 'None' ? undefined : value,
  );
}

for (const kubectl of listKubectls([27, 33])) {
  t.test(`kubectl ${kubectl.version} makes the same by a command and by a file`, async (t) => {
    const { server } = await startServer(t);
    const judge = await Judge.start(t, kubectl, server.adminKubeconfigPath, { 'text.txt': 'text' });
    await writeFile(join(judge.folder, 'binary.bin'), Buffer.from([0xff, 0, 1]));
    await judge.check(t, [
      ['create namespace command', 'namespace/command created'],
      ['create namespace file', 'namespace/file created'],
      ['create namespace command', /namespaces "command" already exists/, { code: 1 }],
      ['create configmap Wrong_Name', /metadata\.name: Invalid value: "Wrong_Name"/, { code: 1 }],
    ]);
    for (const [what, line] of creations) {
      await judge.check(t, [[`-n command create ${line}`, /^\S+ created$/m]]);
      const { stdout } = await judge.run(`-n file create ${line} --dry-run=client -o json`);
      const made = await judge.run('-n file create -f -', { input: stdout });
      t.equal(made.code, 0, made.stderr);
      const byCommand = await judge.run(`-n command get ${what} -o json`);
      const byFile = await judge.run(`-n file get ${what} -o json`);
      t.strictSame(comparable(byCommand.stdout), comparable(byFile.stdout), `${kubectl.version}: ${line}`);
    }
    await judge.check(t, [
      ['-n command get secret/plain -o jsonpath={.data.user}', 'YWRtaW4='],
      ['-n command get configmap/settings -o jsonpath={.binaryData}', '{"binary.bin":"/wAB"}'],
      ['-n command get deployment/web -o jsonpath={.spec.replicas}', '0'],
      ['-n command get service/nodes -o jsonpath={.spec.ports[0].targetPort}', 'http'],
    ]);
  });
}
