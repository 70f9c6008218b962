import t from 'tap';
import { listKubectls } from '../../../kubectls.ts';
import { startServer } from '../fixture.ts';
import { Judge } from './judge.ts';
import type { Check } from './judge.ts';

const service = (name: string, extra: string) => `
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {ports: [{port: 80}], selector: {app: web}${extra}}
`;

const files = {
  'good.yaml': service('good', ''),
  'bad.yaml': service('good', ', prots: [], sesionAffinity: None'),
  'warned.yaml': service('warned', ', prots: []'),
  'silent.yaml': service('silent', ', prots: []'),
};

const strict =
  /Error from server \(BadRequest\):.* strict decoding error: unknown field "spec\.prots", unknown field "spec\.sesionAffinity"/;
const byClient = /error validating data: .*unknown field "prots" in io\.k8s\.api\.core\.v1\.ServiceSpec/;

/** The oldest validates by itself, with the server's OpenAPI document; from 1.25 on the server is asked to. */
const checks: readonly Check[] = [
  ['create -f bad.yaml', byClient, { code: 1, until: 24 }],
  ['create -f bad.yaml', strict, { code: 1, from: 25 }],
  ['apply -f bad.yaml', strict, { code: 1, from: 25 }],
  ['apply --server-side -f bad.yaml', strict, { code: 1, from: 25 }],
  ['get svc good', /"good" not found/, { code: 1 }],
  [
    'create --validate=warn -f warned.yaml',
    [/^Warning: unknown field "spec\.prots"$/m, /^service\/warned created$/m],
    { from: 25 },
  ],
  ['create --validate=false -f silent.yaml', /^service\/silent created$/m],
  ['delete svc silent', /deleted/],
  ['create --validate=ignore -f silent.yaml', 'service/silent created', { from: 25 }],
  ['create -f good.yaml', 'service/good created'],
  ['replace -f bad.yaml', strict, { code: 1, from: 25 }],
  ['replace --validate=warn -f bad.yaml', [/Warning: unknown field/, /service\/good replaced/], { from: 25 }],
  [
    'patch svc good -p \'{"spec":{"prots":[]}}\'',
    [/^Warning: unknown field "spec\.prots"$/m, /^service\/good patched \(no change\)$/m],
  ],
  [
    'patch svc good --type=merge -p \'{"spec":{"type":"NodePort","type":"ClusterIP"}}\'',
    /^service\/good patched/m,
  ],
  // The reason stands in the editor, which opens again and finds nothing new.
  [
    'edit svc good',
    [/services "good" is invalid/, /A copy of your changes has been stored to "\S+"/],
    { code: 1, env: { EDITOR: 'sed -i s/type:.ClusterIP/prots:\\ []/' }, from: 25 },
  ],
];

for (const kubectl of listKubectls([27, 33])) {
  t.test(kubectl.version, async (t) => {
    const { server } = await startServer(t);
    const judge = await Judge.start(t, kubectl, server.adminKubeconfigPath, files);
    await judge.check(t, checks);
  });
}
