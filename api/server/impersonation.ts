import type { IncomingMessage } from 'node:http';
import type { User } from './authentication.ts';
import { masters } from './authentication.ts';
import { refusal } from './authorizer.ts';
import { badRequest } from './status-error.ts';

/**
 * The user that a request is to be answered as: the one who asks, or the one its Impersonate headers name (`kubectl
 * --as`), which only administrators may ask for. Source:
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
 */
export function actAs(user: User, { headersDistinct }: Pick<IncomingMessage, 'headersDistinct'>): User {
  const [name] = headersDistinct['impersonate-user'] ?? [];
  const groups = headersDistinct['impersonate-group'] ?? [];
  if (name === undefined) {
    if (groups.length === 0) return user;
    throw badRequest('requested groups to impersonate without impersonating a user');
  }
  if (!user.groups.includes(masters)) {
    const users = { group: '', plural: 'users', subresource: undefined, namespace: undefined };
    throw refusal(user, { verb: 'impersonate', ...users, name, fieldSelector: '' });
  }
  return {
    name,
    groups: [...groups, name === 'system:anonymous' ? 'system:unauthenticated' : 'system:authenticated'],
  };
}
