import type { Authorizer } from '../authorizer.ts';
import { readObject } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendJson } from '../http/exchange.ts';
import { badRequest } from '../status-error.ts';

interface ReviewSpec {
  readonly resourceAttributes?: Readonly<Record<string, unknown>> | null;
  readonly nonResourceAttributes?: Readonly<Record<string, unknown>> | null;
}

/** POST of authorization.k8s.io/v1 SelfSubjectAccessReview: `kubectl auth can-i`. */
export async function reviewSelfAccess(exchange: Exchange, authorizer: Authorizer): Promise<void> {
  const review = (await readObject(exchange.request)) as { spec?: ReviewSpec | null } | undefined;
  const spec = review?.spec;
  if (!spec) throw badRequest('spec: Required value');
  const allowed = await isAllowed(exchange, authorizer, spec);
  await sendJson(exchange, 201, {
    kind: 'SelfSubjectAccessReview',
    apiVersion: 'authorization.k8s.io/v1',
    metadata: {},
    spec,
    status: { allowed },
  });
}

async function isAllowed({ user }: Exchange, authorizer: Authorizer, spec: ReviewSpec): Promise<boolean> {
  const { resourceAttributes, nonResourceAttributes } = spec;
  if (resourceAttributes) {
    const text = (field: string): string => textOf(resourceAttributes[field]);
    return authorizer.allows(user, {
      verb: text('verb'),
      group: text('group'),
      plural: text('resource'),
      subresource: text('subresource') || undefined,
      namespace: text('namespace') || undefined,
      name: text('name') || undefined,
      fieldSelector: '',
    });
  }
  if (nonResourceAttributes) return authorizer.allowsPath(user, textOf(nonResourceAttributes['path']));
  throw badRequest('spec: exactly one of nonResourceAttributes or resourceAttributes must be specified');
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
