import { once } from 'node:events';
import type { Test } from 'tap';
import t from 'tap';
import type { ApiClient } from '../../../../api/client/client.ts';
import { configMaps, pods } from '../../../../api/client/resources.ts';
import { listKubectls } from '../../../kubectls.ts';
import { startServer } from '../fixture.ts';
import { configMap } from '../objects.ts';
import { Judge } from './judge.ts';
import type { Check } from './judge.ts';
import { objects, reportStates } from './objects.ts';

const files = {
  'objects.yaml': objects,
  'names.jsonpath': '{range .items[*]}{.metadata.name};{end}',
  'names.columns': 'NAME          PHASE\n.metadata.name .status.phase\n',
  'names.template': '{{range .items}}{{.metadata.name}},{{end}}',
  'two.yaml':
    'apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: open}\n',
};

/** `get` of every kind: its columns as people know them, with the wide ones. */
const tables: readonly Check[] = [
  ['get nodes', /^NAME +STATUS +ROLES +AGE +VERSION\nnode1 +Ready +worker +\S+ +v1\.32\.0\n$/],
  [
    'get no -o wide',
    [
      /VERSION +INTERNAL-IP +EXTERNAL-IP +OS-IMAGE +KERNEL-VERSION +CONTAINER-RUNTIME\n/,
      /192\.0\.2\.11 +198\.51\.100\.11 +Debian GNU\/Linux 12 +6\.1\.0 +runc:\/\/1\.1\.5\n/,
    ],
  ],
  [
    'get pods',
    [/^NAME +READY +STATUS +RESTARTS +AGE\n/, /\nweb +1\/1 +Running +2 +\S+\n/, /db +0\/1 +Pending +0 /],
  ],
  [
    'get po -o wide',
    [
      /AGE +IP +NODE +NOMINATED NODE +READINESS GATES\n/,
      /\nweb .* 10\.244\.0\.2 +node1 +<none> +<none>\n/,
      /\ndb .* <none> +<none> +<none> +<none>\n/,
    ],
  ],
  [
    'get rc -o wide',
    [
      /^NAME +DESIRED +CURRENT +READY +AGE +CONTAINERS +IMAGES +SELECTOR\n/,
      /\nmy-nginx +2 +0 +0 +\S+ +nginx,side +nginx:1,busybox +app=nginx\n/,
    ],
  ],
  [
    'get svc -o wide',
    [
      /^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE +SELECTOR\n/,
      /\nkubernetes +ClusterIP +10\.96\.0\.1 +<none> +443\/TCP +\S+ +<none>\n/,
      /\nnginxsvc +ClusterIP +10\.96\.\d+\.\d+ +<none> +80\/TCP,443\/TCP +\S+ +app=nginx\n/,
      /\nopen +NodePort .* 80:30080\/TCP +\S+ +tier=front\n/,
      /\noutside +ExternalName +<none> +example\.com +<none> +\S+ +<none>\n/,
      /\nheadless +ClusterIP +None +<none> +53\/UDP +\S+ +<none>\n/,
    ],
  ],
  [
    'get ep',
    [
      /^NAME +ENDPOINTS +AGE\n/,
      /\nkubernetes +192\.0\.2\.1:\d+ +\S+\n/,
      /\nopen +10\.1\.1\.1:80,10\.1\.1\.2:80 +\S+\n/,
    ],
  ],
  [
    'get endpointslices open-1',
    /^NAME +ADDRESSTYPE +PORTS +ENDPOINTS +AGE\nopen-1 +IPv4 +80 +10\.1\.1\.1 +\S+\n$/,
  ],
  ['get cm settings', /^NAME +DATA +AGE\nsettings +2 +\S+\n$/],
  ['get secret key', /^NAME +TYPE +DATA +AGE\nkey +Opaque +1 +\S+\n$/],
  ['get ns', [/^NAME +STATUS +AGE\n/, /\nkube-system +Active +\S+\n/]],
  ['get lease -n kube-node-lease', /^NAME +HOLDER +AGE\nnode1 +node1 +\S+\n$/],
  [
    'get events',
    /^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n\S+ +Warning +BackOff +pod\/web +Back-off restarting failed container\n$/,
  ],
  [
    'get events -o wide',
    /SUBOBJECT +SOURCE +MESSAGE +FIRST SEEN +COUNT +NAME\n.* kubelet, node1 .* 3 +web\.1\n$/,
  ],
  [
    'get svc -A',
    [/^NAMESPACE +NAME /, /\nkube-system +kube-dns +ClusterIP +10\.96\.0\.10 +<none> +53\/UDP,53\/TCP/],
  ],
  [
    'get rc,svc',
    /^NAME +DESIRED [^]*\nreplicationcontroller\/my-nginx [^]*\n\nNAME +TYPE [^]*\nservice\/nginxsvc /,
  ],
  ['get all', [/pod\/web/, /replicationcontroller\/my-nginx/, /service\/nginxsvc/]],
  ['get pod/web svc/open', [/pod\/web +1\/1/, /service\/open +NodePort/]],
  ['get -f two.yaml', [/pod\/web/, /service\/open/]],
];

/** The ways to print, choose and order. */
const forms: readonly Check[] = [
  ['get pods -o name', 'pod/db\npod/web'],
  ['get pod web -o json', [/^\{\n +"apiVersion": "v1",\n/, /"kind": "Pod"/]],
  ['get pods -o yaml', [/^apiVersion: v1\nitems:\n- apiVersion: v1\n/, /\nkind: List\n/]],
  ["get pods -o jsonpath='{.items[*].metadata.name}'", 'db web'],
  ['get pods -o jsonpath=\'{.items[?(@.metadata.name=="web")].status.podIP}\'', '10.244.0.2'],
  ['get pods -o jsonpath-file=names.jsonpath', 'db;web;'],
  [
    'get pods -o custom-columns=N:.metadata.name,IMAGE:.spec.containers[0].image',
    /^N +IMAGE\ndb +db\nweb +nginx\n$/,
  ],
  ['get pods -o custom-columns-file=names.columns', /^NAME +PHASE\ndb +Pending\nweb +Running\n$/],
  ["get pods -o go-template='{{range .items}}{{.status.phase}} {{end}}'", 'Pending Running'],
  ['get pods -o go-template-file=names.template', 'db,web,'],
  ['get pods --no-headers', /^db +0\/1 .*\nweb +1\/1 .*\n$/],
  ['get pods --show-labels', [/AGE +LABELS\n/, /\nweb .* app=nginx,tier=front\n/]],
  ['get pods -L app,none', [/AGE +APP +NONE\n/, /\nweb .* nginx +\n/]],
  ['get pods -l app=nginx -o name', 'pod/web'],
  ['get pods -l app!=nginx -o name', 'pod/db'],
  ["get pods -l 'tier in (front, middle)' -o name", 'pod/web'],
  ["get pods -l 'tier notin (front)' -o name", 'pod/db'],
  ["get pods -l 'app,!none' -o name", 'pod/db\npod/web'],
  ['get pods -l app==db,tier=back -o name', 'pod/db'],
  ["get pods -l 'app in (a'", /unable to parse requirement/, { code: 1 }],
  ['get pods --field-selector status.phase=Running -o name', 'pod/web'],
  ['get pods --field-selector status.phase!=Running,spec.nodeName= -o name', 'pod/db'],
  ['get pods --field-selector metadata.name=web -o name', 'pod/web'],
  ['get events --field-selector involvedObject.name=web,type=Warning -o name', 'event/web.1'],
  [
    'get pods --field-selector spec.color=red',
    /BadRequest.*field label not supported: spec\.color/,
    { code: 1 },
  ],
  ['get pods --sort-by=.metadata.labels.tier -o name', 'pod/db\npod/web'],
  ['get pods --sort-by=.status.phase', /\ndb [^]*\nweb /],
  ['get svc --sort-by=.spec.type --no-headers', /NodePort[^]*$/],
  ['get cm -l numbered --chunk-size=10 -o name', /^(configmap\/n\d\d\n){25}$/],
  ['get cm -l numbered --chunk-size=10 --no-headers', /^(n\d\d +0 .*\n){25}$/],
  ['get pod nobody', 'Error from server (NotFound): pods "nobody" not found', { code: 1 }],
  ['get pod nobody --ignore-not-found', ''],
  [
    'get pod web nobody',
    [/\nweb +1\/1/, /Error from server \(NotFound\): pods "nobody" not found/],
    { code: 1 },
  ],
  ['get rc -n kube-system', 'No resources found in kube-system namespace.'],
  ['get rc -n nowhere', 'No resources found in nowhere namespace.'],
  ['get nothing', `error: the server doesn't have a resource type "nothing"`, { code: 1 }],
  ['get pods/web/log', /error: arguments in resource\/name form/, { code: 1 }],
  ['get pods.v1.', /\nweb +1\/1/],
  ['get endpointslices.discovery.k8s.io open-1 -o name', 'endpointslice.discovery.k8s.io/open-1'],
  ['get endpointslices.v1.discovery.k8s.io open-1 -o name', 'endpointslice.discovery.k8s.io/open-1'],
];

/** Paths as they are. */
const raw: readonly Check[] = [
  ['get --raw /healthz', 'ok'],
  ['get --raw /livez', 'ok'],
  ["get --raw '/healthz?verbose'", '[+]ping ok\n[+]etcd ok\nhealthz check passed'],
  ["get --raw '/readyz?verbose&exclude=etcd'", '[+]ping ok\n[+]etcd excluded: ok\nreadyz check passed'],
  ['get --raw /livez/etcd', 'ok'],
  ['get --raw /livez/nothing', /\(NotFound\): the server could not find the requested resource/, { code: 1 }],
  [
    'get --raw /',
    [/"\/api\/v1"/, /"\/apis\/discovery\.k8s\.io\/v1"/, /"\/livez\/ping"/, /"\/openapi\/v3\/api\/v1"/],
  ],
  ['get --raw /api/v1/namespaces/default/pods/web', /"kind":"Pod"/],
  [
    'get --raw /api/v1//namespaces',
    /\(NotFound\): the server could not find the requested resource/,
    { code: 1 },
  ],
  ['get --raw /apis/discovery.k8s.io/v1/', /"kind":"APIResourceList"/],
  ['get --raw /version', /"gitVersion":"v1\.32/],
  ['get --raw /metrics', /^# HELP /],
];

/** What the cluster says of itself. */
const cluster: readonly Check[] = [
  ['version', [/Client Version/, /Server Version: .*v1\.32/]],
  [
    'cluster-info',
    [
      /control plane.* is running at .*https:\/\/127\.0\.0\.1:\d+/,
      /CoreDNS.* is running at .*\/api\/v1\/namespaces\/kube-system\/services\/kube-dns:dns\/proxy/,
    ],
  ],
  ['api-versions', [/^coordination\.k8s\.io\/v1$/m, /^discovery\.k8s\.io\/v1$/m, /^v1$/m]],
  [
    'api-resources',
    [
      /^NAME +SHORTNAMES +APIVERSION +NAMESPACED +KIND\n/,
      /\npods +po +v1 +true +Pod\n/,
      /\nendpointslices +discovery\.k8s\.io\/v1 +true +EndpointSlice\n/,
    ],
  ],
  [
    'api-resources -o wide',
    /\nservices +svc +v1 +true +Service +\[?create[, ]delete[, ]deletecollection[, ]get[, ]list[, ]patch[, ]update[, ]watch/,
  ],
  ['api-resources --namespaced=false -o name', [/^namespaces$/m, /^nodes$/m]],
  [
    'api-resources --namespaced=true --verbs=list,watch --api-group= -o name',
    /^configmaps\nendpoints\nevents\n/,
  ],
  [
    'api-resources --api-group=coordination.k8s.io --no-headers',
    /^leases +coordination\.k8s\.io\/v1 +true +Lease\n$/,
  ],
  [
    'api-resources --categories=all -o name',
    [/^pods$/m, /^replicationcontrollers$/m, /^services$/m],
    { from: 27 },
  ],
  [
    'config view',
    [/server: https:\/\/127\.0\.0\.1/, /name: weft/, /client-key-data: (REDACTED|DATA\+OMITTED)/],
  ],
  ['config current-context', 'weft'],
  ['__complete get pods w', /^web\n/, { from: 27 }],
  ['__complete get endpointsl', /^endpointslices/m, { from: 27 }],
  ["__complete describe node ''", /^node1$/m, { from: 27 }],
  ['__complete -n kube-s', /^kube-system$/m, { from: 27 }],
  ['top node', 'error: Metrics API not available', { code: 1 }],
  ['top pod', 'error: Metrics API not available', { code: 1 }],
  [
    'events',
    /^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n\S+ (\(x3 over .*\) )? *Warning +BackOff +Pod\/web /,
    { from: 27 },
  ],
  ['events --for pod/web --types=Warning', /Pod\/web/, { from: 27 }],
  ['events --for pod/db', /No events found/, { from: 27 }],
];

for (const kubectl of listKubectls()) {
  t.test(`kubectl ${kubectl.version} reads`, async (t) => {
    const { server, client } = await startServer(t);
    const judge = await Judge.start(t, kubectl, server.adminKubeconfigPath, files);
    const { code, stderr } = await judge.run('create -f objects.yaml');
    t.equal(code, 0, stderr);
    await reportStates(client);
    for (let i = 10; i < 35; i += 1) {
      const numbered = configMap(`n${i}`);
      numbered.metadata.labels = { numbered: '' };
      await client.create(configMaps, numbered);
    }
    for (const table of [tables, forms, raw, cluster]) await judge.check(t, table);
    await follow(t, judge, client);
  });
}

/** `-w` prints rows as they change, also of what is gone, and `--watch-only` nothing of what was there. */
async function follow(t: Test, judge: Judge, client: ApiClient): Promise<void> {
  const all = new Rows(judge, 'get pods -w');
  const chosen = new Rows(judge, 'get pods -l tier=front --watch-only --no-headers');
  const named = new Rows(judge, 'get pod db -w -o name');
  await Promise.all([all.until(/^web /m), named.until(/pod\/db\n/)]);
  const web = { namespace: 'default', name: 'web' };
  const tier = (value: string) => client.patch(pods, web, { metadata: { labels: { tier: value } } }, 'merge');
  for (let tries = 0; chosen.printed === '' && tries < 100; tries += 1) {
    // It says nothing until something changes: change until it is there.
    await client.patch(pods, web, { metadata: { annotations: { tries: String(tries) } } }, 'merge');
    await Promise.race([chosen.until(/web/), new Promise((resolve) => setTimeout(resolve, 100))]);
  }
  await tier('back');
  await tier('front');
  await client.delete(pods, { namespace: 'default', name: 'db' });
  await client.delete(pods, web, { gracePeriodSeconds: 0 });
  await all.until(/^db [^]*^web /m);
  await named.until(/pod\/db\npod\/db\n/);
  t.match(all.printed, /^NAME +READY +STATUS +RESTARTS +AGE\ndb +0\/1 /, 'the heading comes once');
  t.equal(all.printed.match(/NAME/g)?.length, 1);
  t.notMatch(chosen.printed, /NAME|db/);
  for (const rows of [all, chosen, named]) rows.stop();
}

/** What a command that goes on has printed so far. */
class Rows {
  readonly #child;
  printed = '';

  constructor(judge: Judge, line: string) {
    this.#child = judge.follow(line);
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => (this.printed += text));
  }

  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.printed)) {
      if (this.#child.exitCode !== null) throw new Error(`kubectl ended early: ${this.printed}`);
      await Promise.race([once(this.#child.stdout, 'data'), once(this.#child, 'close')]);
    }
  }

  stop(): void {
    this.#child.kill();
  }
}
