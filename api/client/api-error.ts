import type { Status } from '../kinds/meta.ts';

/** What went wrong with one request to the API. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** HTTP status code; 0 when no answer came (connection refused, certificate not trusted, time out, abort). */
  readonly code: number;
  /** Kubernetes' reason (`NotFound`, `Conflict`, `Expired`, …); `Unreachable`, `Timeout` or `Aborted` when code is 0. */
  readonly reason: string;
  /** The Status object the server sent, if it sent one. */
  readonly status: Status | undefined;

  constructor(
    message: string,
    details: { code: number; reason: string; status?: Status | undefined; cause?: unknown },
  ) {
    super(message, { cause: details.cause });
    this.code = details.code;
    this.reason = details.reason;
    this.status = details.status;
  }
}

/** Whether `error` is the API saying that the object does not exist. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.code === 404;
}

/** Whether `error` is the API saying that the object changed meanwhile (409 Conflict). */
export function isConflict(error: unknown): boolean {
  return error instanceof ApiError && error.code === 409 && error.reason === 'Conflict';
}

/** Whether `error` is the API saying that the name is taken (409 AlreadyExists). */
export function isAlreadyExists(error: unknown): boolean {
  return error instanceof ApiError && error.reason === 'AlreadyExists';
}

/** Whether `error` is the API saying that the object cannot be as it was sent (422 Invalid). */
export function isInvalid(error: unknown): boolean {
  return error instanceof ApiError && error.code === 422;
}

/** Whether `error` is the API saying that the namespace takes nothing new because it is being deleted. */
export function isNamespaceTerminating(error: unknown): boolean {
  const causes = error instanceof ApiError ? error.status?.details?.causes : undefined;
  return causes?.some((cause) => cause.reason === 'NamespaceTerminating') ?? false;
}

/** What a request resolves with; undefined if the API says that the object does not exist. */
export async function ignoreMissing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Whether there was no answer at all, or one of a server that is not itself: what was asked for may be right. */
export function isAway(error: unknown): error is ApiError {
  return error instanceof ApiError && (error.code === 0 || error.code >= 500);
}
