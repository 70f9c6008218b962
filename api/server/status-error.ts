import { renderCause, renderInvalid } from '../kinds/field-error.ts';
import type { FieldError } from '../kinds/field-error.ts';
import type { Status, StatusCause, StatusDetails } from '../kinds/meta.ts';

/** What names a resource in messages: `pods`, or `endpointslices.discovery.k8s.io`. */
export interface ResourceName {
  readonly group: string;
  readonly plural: string;
}

interface StatusParts {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly details?: StatusDetails;
  /** A token to go on with after an expired one. */
  readonly continue?: string;
  readonly cause?: unknown;
}

/**
 * A refusal with Kubernetes' own code, reason and words, which kubectl prints and clients branch on.
 * Source: k8s.io/apimachinery/pkg/api/errors.
 */
export class StatusError extends Error {
  override readonly name = 'StatusError';
  /** The HTTP status. */
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;
  readonly #continue: string | undefined;

  constructor(parts: StatusParts) {
    super(parts.message, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.code = parts.code;
    this.reason = parts.reason;
    this.details = parts.details;
    this.#continue = parts.continue;
  }

  toStatus(): Status {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: this.#continue === undefined ? {} : { continue: this.#continue },
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details ? { details: this.details } : {}),
      code: this.code,
    };
  }
}

function qualified(resource: ResourceName): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
}

function detailsOf(resource: ResourceName, name: string, causes?: StatusCause[]): StatusDetails {
  return {
    ...(name === '' ? {} : { name }),
    ...(resource.group === '' ? {} : { group: resource.group }),
    kind: resource.plural,
    ...(causes ? { causes } : {}),
  };
}

export function notFound(resource: ResourceName, name: string): StatusError {
  const details = detailsOf(resource, name);
  return new StatusError({
    code: 404,
    reason: 'NotFound',
    message: `${qualified(resource)} "${name}" not found`,
    details,
  });
}

export function alreadyExists(resource: ResourceName, name: string): StatusError {
  const message = `${qualified(resource)} "${name}" already exists`;
  return new StatusError({ code: 409, reason: 'AlreadyExists', message, details: detailsOf(resource, name) });
}

export const modified =
  'the object has been modified; please apply your changes to the latest version and try again';

export function conflict(resource: ResourceName, name: string, why: string): StatusError {
  const message = `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`;
  return new StatusError({ code: 409, reason: 'Conflict', message, details: detailsOf(resource, name) });
}

/** Others manage fields that an applied configuration sets to other values. */
export function applyConflict(message: string, causes: StatusCause[]): StatusError {
  return new StatusError({ code: 409, reason: 'Conflict', message, details: { causes } });
}

export function forbidden(
  resource: ResourceName,
  name: string,
  why: string,
  causes?: StatusCause[],
): StatusError {
  const subject = name === '' ? qualified(resource) : `${qualified(resource)} "${name}"`;
  const message = `${subject} is forbidden: ${why}`;
  return new StatusError({
    code: 403,
    reason: 'Forbidden',
    message,
    details: detailsOf(resource, name, causes),
  });
}

export function invalid(
  kind: { readonly group: string; readonly kind: string },
  name: string,
  mistakes: readonly FieldError[],
): StatusError {
  const { group } = kind;
  return new StatusError({
    code: 422,
    reason: 'Invalid',
    message: renderInvalid(group === '' ? kind.kind : `${kind.kind}.${group}`, name, mistakes),
    details: {
      name,
      ...(group === '' ? {} : { group }),
      kind: kind.kind,
      causes: mistakes.map(renderCause),
    },
  });
}

export function badRequest(message: string, cause?: unknown): StatusError {
  return new StatusError({ code: 400, reason: 'BadRequest', message, cause });
}

export function unauthorized(): StatusError {
  return new StatusError({ code: 401, reason: 'Unauthorized', message: 'Unauthorized' });
}

/** A path that names nothing here. */
export function noSuchPath(): StatusError {
  return new StatusError({
    code: 404,
    reason: 'NotFound',
    message: 'the server could not find the requested resource',
    details: {},
  });
}

export function methodNotAllowed(): StatusError {
  const message = 'the server does not allow this method on the requested resource';
  return new StatusError({ code: 405, reason: 'MethodNotAllowed', message, details: {} });
}

export function unsupportedMediaType(message: string): StatusError {
  return new StatusError({ code: 415, reason: 'UnsupportedMediaType', message });
}

/** History the client asks for is gone; `next` is a token that goes on over the newest state. */
export function expired(message: string, next?: string): StatusError {
  return new StatusError({
    code: 410,
    reason: 'Expired',
    message,
    ...(next === undefined ? {} : { continue: next }),
  });
}

/** The client asks for a state newer than the newest; it tries again after a second. */
export function tooLargeResourceVersion(wanted: number, current: number): StatusError {
  return new StatusError({
    code: 504,
    reason: 'Timeout',
    message: `Timeout: Too large resource version: ${wanted}, current: ${current}`,
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
  });
}

export function serviceUnavailable(message: string, cause?: unknown): StatusError {
  return new StatusError({ code: 503, reason: 'ServiceUnavailable', message, cause });
}

export function internalError(cause: unknown): StatusError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new StatusError({
    code: 500,
    reason: 'InternalError',
    message: `Internal error occurred: ${text}`,
    details: { causes: [{ message: text }] },
    cause,
  });
}

/** Whether `error` is the server's own answer of this reason: `NotFound`, `AlreadyExists`. */
export function isRefusal(error: unknown, reason: string): boolean {
  return error instanceof StatusError && error.reason === reason;
}
