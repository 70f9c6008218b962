import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import t from 'tap';
import { apiVersionOf } from '../../../api/kinds/kind.ts';
import { kinds } from '../../../api/kinds/registry.ts';
import { openApiDocuments } from '../../../api/server/openapi.ts';
import { listKubectls } from '../../kubectls.ts';

/** kubectl as the judge of our OpenAPI documents, served by just enough of an API. */

/** The oldest, which validates by itself; the first that asks the server; this machine's. */
const kubectls = listKubectls([27]);

/** A manifest with every kind of value that schemas tend to get wrong. */
const manifest = `
apiVersion: v1
kind: ReplicationController
metadata: {name: my-nginx, annotations: {a: b}}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: nginx}}
    spec:
      affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: a, labelSelector: {matchLabels: {app: nginx}}}]}}
      tolerations: [{operator: Exists}]
      volumes:
      - {name: s, secret: {secretName: x, defaultMode: 0400, items: [{key: a, path: b}]}}
      - {name: n, nfs: {server: a, path: /b}}
      - {name: p, projected: {sources: [{serviceAccountToken: {path: t}}, {downwardAPI: {items: [{path: a, fieldRef: {fieldPath: metadata.name}}]}}]}}
      - {name: e, emptyDir: {sizeLimit: 1Gi}}
      containers:
      - name: nginx
        image: nginx
        ports: [{containerPort: 80}]
        env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1}}}]
        resources: {limits: {cpu: 1, memory: 1Gi}}
        livenessProbe: {httpGet: {port: 80}}
        readinessProbe: {httpGet: {port: http, httpHeaders: [{name: a, value: b}]}}
        securityContext: {capabilities: {add: [NET_ADMIN]}, runAsUser: 1000}
---
apiVersion: v1
kind: Service
metadata: {name: s}
spec:
  ports: [{port: 80, name: a, targetPort: 80}, {port: 81, name: b, targetPort: http}]
  selector: {app: nginx}
`;

const broken = manifest
  .replace('replicas: 2', 'replicas: "two"\n  foo: 1')
  .replace('containerPort: 80}', 'containerPort: 80, bar: 2}');

function startServer() {
  const documents = openApiDocuments();
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
    const accept = request.headers.accept ?? '';
    const v3 = documents.v3.get(pathname.slice('/openapi/v3/'.length));
    const v2 = accept.includes('protobuf') ? documents.v2Protobuf : documents.v2Json;
    if (pathname === '/openapi/v2') send(response, v2);
    else if (pathname === '/openapi/v3') send(response, documents.v3Index);
    else if (v3) send(response, v3);
    else if (request.method === 'POST') {
      response.writeHead(201, { 'content-type': 'application/json' });
      request.pipe(response);
    } else {
      const body = discovery(pathname);
      response.writeHead(body ? 200 : 404, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body ?? {}));
    }
  });
  return { server, requests };
}

function send(response: ServerResponse, document: { contentType: string; body: Buffer }): void {
  response.writeHead(200, { 'content-type': document.contentType }).end(document.body);
}

const groups = [...new Set(kinds.filter((each) => each.group !== '').map((each) => each.group))];

function discovery(pathname: string): unknown {
  if (pathname === '/version') return { major: '1', minor: '32', gitVersion: 'v1.32.0' };
  if (pathname === '/api') return { kind: 'APIVersions', versions: ['v1'] };
  if (pathname === '/apis') {
    const list = groups.map((name) => {
      const version = { groupVersion: `${name}/v1`, version: 'v1' };
      return { name, versions: [version], preferredVersion: version };
    });
    return { kind: 'APIGroupList', apiVersion: 'v1', groups: list };
  }
  const served = kinds.filter(
    (each) => pathname === `/${each.group === '' ? 'api' : 'apis'}/${apiVersionOf(each)}`,
  );
  if (!served[0]) return undefined;
  const resources = served.map(({ plural, singular, namespaced, kind, shortNames }) => ({
    name: plural,
    singularName: singular,
    namespaced,
    kind,
    shortNames,
    verbs: ['create', 'get', 'list', 'patch'],
  }));
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersionOf(served[0]), resources };
}

if (kubectls.length === 0) t.pass('kubectl reads our OpenAPI', { skip: 'no kubectl here' });

for (const { path: kubectl, version, minor } of kubectls) {
  t.test(`kubectl ${version} reads our OpenAPI`, async (t) => {
    const { server, requests } = startServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const folder = await mkdtemp(join(tmpdir(), 'weft-openapi-'));
    t.teardown(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const run = (args: string[]) =>
      execa(kubectl, ['--cache-dir', join(folder, 'cache'), '--server', url, ...args], {
        reject: false,
        all: true,
        env: { KUBECONFIG: '/dev/null', HOME: folder },
      });
    const good = join(folder, 'good.yaml');
    const bad = join(folder, 'bad.yaml');
    await writeFile(good, manifest);
    await writeFile(bad, broken);

    const created = await run(['create', '-f', good]);
    t.match(created.all, /replicationcontroller\/my-nginx created\nservice\/s created/);
    const asksServer = requests.some((each) => each.includes('fieldValidation=Strict'));
    const refused = await run(['create', '-f', bad]);
    if (!asksServer) {
      t.match(refused.all, /ReplicationController.spec\): unknown field "foo"/);
      t.match(refused.all, /spec.replicas\): invalid type .* got "string", expected "integer"/);
      t.match(refused.all, /ports\[0\]\): unknown field "bar"/);
    }
    t.equal(asksServer, minor >= 27, 'new clients leave validation to the server');

    const explained = await run(['explain', 'pod.spec.containers.ports']);
    t.match(explained.all, /KIND: +Pod/);
    t.match(explained.all, /containerPort\s<integer>/);
    const slices = await run(['explain', 'endpointslices']);
    t.match(slices.all, /addressType\s<string>/);
  });
}
