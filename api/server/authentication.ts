import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { unauthorized } from './status-error.ts';

/** Who asks. */
export interface User {
  readonly name: string;
  readonly groups: readonly string[];
}

const anonymous: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

/** The group that may do everything. */
export const masters = 'system:masters';

/** The group of the nodes' agents; their user names are `system:node:<name>`. */
export const nodesGroup = 'system:nodes';

/**
 * The user of a connection's client certificate: CN is the name, each O a group
 * (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates).
 * No certificate is anonymous; one that our authority did not sign, or that expired, is refused.
 */
export function authenticate(socket: Socket): User {
  const known = users.get(socket);
  if (known) return known;
  const user = identify(socket);
  users.set(socket, user);
  return user;
}

/** A connection's certificate stays as it is, and taking it apart costs more than a small request. */
const users = new WeakMap<Socket, User>();

function identify(socket: Socket): User {
  if (!(socket instanceof TLSSocket)) throw unauthorized();
  const certificate = socket.getPeerCertificate();
  // Without a certificate Node answers an empty object.
  if (Object.keys(certificate).length === 0) return anonymous;
  if (!socket.authorized) throw unauthorized();
  const { CN, O } = certificate.subject as { CN?: string | string[]; O?: string | string[] };
  const [name] = [CN ?? []].flat();
  if (name === undefined) throw unauthorized();
  return { name, groups: [...[O ?? []].flat(), 'system:authenticated'] };
}

/** The node a user is the agent of. */
export function nodeOf(user: User): string | undefined {
  const prefix = 'system:node:';
  if (!user.groups.includes(nodesGroup) || !user.name.startsWith(prefix)) return undefined;
  return user.name.slice(prefix.length) || undefined;
}
