import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AddressRange } from './registry/address-range.ts';
import { Authority, ensurePair } from './authority.ts';
import type { KeyPair } from './authority.ts';
import { masters } from './authentication.ts';
import type { ClusterConfig } from '../cluster.ts';
import { writeDurably } from './durable-file.ts';
import { renderKubeconfig } from './kubeconfig.ts';

export interface Certificates {
  readonly authority: Authority;
  /** What the server shows to its clients. */
  readonly serving: KeyPair;
  /** What it shows to the nodes' agents, and what processes beside it use. */
  readonly client: KeyPair;
  /** What the kubeconfig holds. */
  readonly admin: KeyPair;
}

/** All of the server's certificates from `<stateDir>/pki`, made or renewed where needed. */
export async function openCertificates(
  stateDir: string,
  cluster: ClusterConfig,
  names: readonly string[],
): Promise<Certificates> {
  const directory = pkiDirectory(stateDir);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const authority = await Authority.open(directory);
  const ensure = (name: string, user: string): Promise<KeyPair> =>
    ensurePair(directory, name, authority, { user, groups: [masters], names: [] });
  return {
    authority,
    serving: await ensureServing(stateDir, authority, cluster, names),
    client: await ensure('client', 'weft-server'),
    admin: await ensure('admin', 'admin'),
  };
}

/** What the server shows to its clients: valid for these names and those that every cluster's API has. */
export function ensureServing(
  stateDir: string,
  authority: Authority,
  cluster: ClusterConfig,
  names: readonly string[],
): Promise<KeyPair> {
  const all = [...new Set([...names, ...wellKnownNames(cluster)])];
  return ensurePair(pkiDirectory(stateDir), 'server', authority, {
    user: 'weft-server',
    groups: [],
    names: all,
  });
}

function pkiDirectory(stateDir: string): string {
  return join(stateDir, 'pki');
}

/** Writes `<stateDir>/admin.kubeconfig`, readable by its owner only, and returns its path. */
export async function writeAdminKubeconfig(
  stateDir: string,
  server: string,
  { authority, admin }: Certificates,
): Promise<string> {
  const path = join(stateDir, 'admin.kubeconfig');
  await writeDurably(path, renderKubeconfig(server, authority.certificate, admin), 0o600);
  return path;
}

/** The names by which pods, nodes and this machine reach the API. */
function wellKnownNames(cluster: ClusterConfig): string[] {
  const service = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'];
  return [
    '127.0.0.1',
    '::1',
    'localhost',
    ...service,
    `kubernetes.default.svc.${cluster.zone}`,
    ...cluster.serviceCIDRs.map((cidr) => {
      const range = new AddressRange(cidr);
      return range.at(range.lowest);
    }),
  ];
}
