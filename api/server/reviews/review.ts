import type { TObject } from 'typebox';
import { DecodeError, decodeValue } from '../../kinds/decode.ts';
import { apiVersionOf } from '../../kinds/kind.ts';
import { nodeOf } from '../../kinds/schema.ts';
import type { User } from '../authentication.ts';
import type { Authorizer } from '../authorizer.ts';
import { readObject } from '../http/body.ts';
import { sendJson } from '../http/exchange.ts';
import type { Exchange } from '../http/exchange.ts';
import type { ResourcePath } from '../http/request-path.ts';
import { badRequest, methodNotAllowed, noSuchPath } from '../status-error.ts';

/** Who asks, whom to ask, and the namespace of the request's path. */
interface Asking {
  readonly user: User;
  readonly authorizer: Authorizer;
  readonly namespace: string | undefined;
}

/** A kind that is a question: an object of it is created, answered in its status, and not stored. */
export interface Review {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly schema: TObject;
  /** The status that answers `spec`. Throws StatusError. */
  answer(spec: unknown, asking: Asking): Promise<object>;
}

/** Answers a request for a review's path, which can only be a POST. */
export async function answerReview(
  review: Review,
  exchange: Exchange,
  path: ResourcePath,
  authorizer: Authorizer,
): Promise<void> {
  const { user, request } = exchange;
  if (path.name !== undefined || (path.namespace !== undefined) !== review.namespaced) throw noSuchPath();
  if (request.method !== 'POST') throw methodNotAllowed();
  const body = await readObject(request, review.schema);
  if (body === undefined) throw badRequest('the request has no body');
  const object = decodeReview(review, body);
  const status = await review.answer(object['spec'], { user, authorizer, namespace: path.namespace });
  const type = { kind: review.kind, apiVersion: apiVersionOf(review) };
  await sendJson(exchange, 201, { ...type, metadata: {}, ...object, ...type, status });
}

function decodeReview({ kind, version, schema }: Review, body: unknown): Record<string, unknown> {
  try {
    return decodeValue(nodeOf(schema), body, '', { unknown: [], fill: true }) as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const message = `${kind} in version "${version}" cannot be handled as a ${kind}: ${error.message}`;
    throw badRequest(message, error);
  }
}
