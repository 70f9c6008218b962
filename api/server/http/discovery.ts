import { createHash } from 'node:crypto';
import { apiVersionOf } from '../../kinds/kind.ts';
import type { Kind } from '../../kinds/kind.ts';
import { kinds } from '../../kinds/registry.ts';
import { reviews } from '../reviews/reviews.ts';
import { noSuchPath } from '../status-error.ts';
import { parseAccept } from './accept.ts';
import { sendText } from './exchange.ts';
import type { Exchange } from './exchange.ts';

interface Subresource {
  readonly name: string;
  readonly verbs: readonly string[];
  readonly responseKind: { readonly group: string; readonly version: string; readonly kind: string };
}

/** One resource as discovery tells of it, stored or not. */
interface Entry {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly subresources: readonly Subresource[];
}

const allVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const changeVerbs = ['get', 'patch', 'update'];

const asked = { verbs: ['create'], shortNames: [], categories: [], subresources: [] };

/** All that is served, core group first. */
function entries(): Entry[] {
  return [
    ...kinds.map((kind) => ({ ...kind, verbs: allVerbs, subresources: subresourcesOf(kind) })),
    ...reviews.map((review) => ({ ...review, ...asked })),
  ];
}

const eviction = { group: 'policy', version: 'v1', kind: 'Eviction' };

function subresourcesOf(kind: Kind): Subresource[] {
  const core = (name: string, verbs: string[], of: string): Subresource => {
    return { name, verbs, responseKind: { group: '', version: 'v1', kind: of } };
  };
  const { group, version } = kind;
  const stored = kind.subresources.map((name): Subresource => {
    const scale = { group: 'autoscaling', version: 'v1', kind: 'Scale' };
    return {
      name,
      verbs: changeVerbs,
      responseKind: name === 'scale' ? scale : { group, version, kind: kind.kind },
    };
  });
  const stream = ['create', 'get'];
  if (group === '' && kind.plural === 'pods') {
    stored.push(
      core('attach', stream, 'PodAttachOptions'),
      core('binding', ['create'], 'Binding'),
      { name: 'eviction', verbs: ['create'], responseKind: eviction },
      core('exec', stream, 'PodExecOptions'),
      core('log', ['get'], 'Pod'),
      core('portforward', stream, 'PodPortForwardOptions'),
    );
  }
  if (group === '' && kind.plural === 'namespaces') stored.push(core('finalize', ['update'], 'Namespace'));
  return stored.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Answers /api, /apis and all that lies right below them, in the form the client asks for. */
export async function sendDiscovery(exchange: Exchange): Promise<void> {
  const [, root, group, version, ...rest] = exchange.url.pathname.replace(/\/$/, '').split('/');
  // A path that goes on and yet names no resource has an empty part: `/api/v1//pods`.
  if (rest.length > 0 || (root === 'api' && version !== undefined)) throw noSuchPath();
  const aggregated = group === undefined ? aggregatedForm(exchange.request.headers.accept) : undefined;
  if (aggregated !== undefined) {
    const body = aggregate(aggregated, (entry) => (entry.group === '') === (root === 'api'));
    const type = `application/json;g=apidiscovery.k8s.io;v=${aggregated};as=APIGroupDiscoveryList`;
    return sendTagged(exchange, body, type);
  }
  const body = root === 'api' ? coreDocument(group) : groupDocument(group, version);
  if (!body) throw noSuchPath();
  return sendTagged(exchange, body, 'application/json');
}

/** The paths that {@link sendDiscovery} answers. */
export function discoveryPaths(): string[] {
  const groups = [...new Set(entries().map((entry) => entry.group))].filter((group) => group !== '');
  const ofGroup = (group: string) => versionsOf(group).map((version) => `/apis/${group}/${version}`);
  return ['/api', '/api/v1', '/apis', ...groups.flatMap((group) => [`/apis/${group}`, ...ofGroup(group)])];
}

async function sendTagged(exchange: Exchange, body: unknown, type: string): Promise<void> {
  const text = JSON.stringify(body);
  const etag = `"${createHash('sha256').update(text).digest('hex').toUpperCase()}"`;
  exchange.response.setHeader('ETag', etag);
  exchange.response.setHeader('Vary', 'Accept');
  if (exchange.request.headers['if-none-match'] === etag) {
    exchange.response.writeHead(304).end();
    return;
  }
  await sendText(exchange, 200, text, type);
}

function coreDocument(version: string | undefined): unknown {
  if (version === undefined) {
    return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
  }
  return resourceList('', version);
}

function groupDocument(group: string | undefined, version: string | undefined): unknown {
  const groups = [...new Set(entries().map((entry) => entry.group))].filter((name) => name !== '');
  if (group === undefined)
    return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupSummary) };
  if (!groups.includes(group)) return undefined;
  if (version === undefined) return { kind: 'APIGroup', apiVersion: 'v1', ...groupSummary(group) };
  return resourceList(group, version);
}

function versionsOf(group: string): string[] {
  return [...new Set(entries().flatMap((entry) => (entry.group === group ? [entry.version] : [])))];
}

function groupSummary(name: string) {
  const versions = versionsOf(name).map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions, preferredVersion: versions[0] };
}

/** The first form: one list per group and version, subresources as resources of their own. */
function resourceList(group: string, version: string): unknown {
  const found = entries().filter((entry) => entry.group === group && entry.version === version);
  if (found.length === 0) return undefined;
  const resources = found.flatMap((entry) => [
    {
      name: entry.plural,
      singularName: entry.singular,
      namespaced: entry.namespaced,
      kind: entry.kind,
      verbs: entry.verbs,
      ...(entry.shortNames.length > 0 ? { shortNames: entry.shortNames } : {}),
      ...(entry.categories.length > 0 ? { categories: entry.categories } : {}),
    },
    ...entry.subresources.map(({ name, verbs, responseKind }) => ({
      name: `${entry.plural}/${name}`,
      singularName: '',
      namespaced: entry.namespaced,
      ...(responseKind.group === group ? {} : { group: responseKind.group, version: responseKind.version }),
      kind: responseKind.kind,
      verbs,
    })),
  ]);
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf({ group, version }),
    resources,
  };
}

/** The aggregated form's version, where the client's first choice is one we have. */
function aggregatedForm(accept: string | undefined): 'v2' | 'v2beta1' | undefined {
  for (const { type, parameters } of parseAccept(accept)) {
    if (type !== 'application/json') continue;
    if (parameters['as'] === undefined) return undefined;
    if (parameters['g'] !== 'apidiscovery.k8s.io' || parameters['as'] !== 'APIGroupDiscoveryList') continue;
    if (parameters['v'] === 'v2' || parameters['v'] === 'v2beta1') return parameters['v'];
  }
  return undefined;
}

function aggregate(form: string, isWanted: (entry: Entry) => boolean): unknown {
  const wanted = entries().filter(isWanted);
  const groups = [...new Set(wanted.map((entry) => entry.group))];
  const items = groups.map((group) => ({
    metadata: { ...(group === '' ? {} : { name: group }), creationTimestamp: null },
    versions: versionsOf(group).map((version) => ({
      version,
      freshness: 'Current',
      resources: wanted
        .filter((entry) => entry.group === group && entry.version === version)
        .map(aggregateEntry),
    })),
  }));
  return { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${form}`, metadata: {}, items };
}

function aggregateEntry(entry: Entry): unknown {
  const { group, version, kind } = entry;
  return {
    resource: entry.plural,
    responseKind: { group, version, kind },
    scope: entry.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: entry.singular,
    verbs: entry.verbs,
    ...(entry.shortNames.length > 0 ? { shortNames: entry.shortNames } : {}),
    ...(entry.categories.length > 0 ? { categories: entry.categories } : {}),
    ...(entry.subresources.length > 0
      ? {
          subresources: entry.subresources.map(({ name, verbs, responseKind }) => ({
            subresource: name,
            responseKind,
            verbs,
          })),
        }
      : {}),
  };
}
