import { forbidden, notSupported } from '../../kinds/field-error.ts';
import type { FieldError } from '../../kinds/field-error.ts';
import type { KubeObject } from '../../kinds/meta.ts';
import type { ListRequest } from '../registry/list.ts';
import type { WatchRequest } from '../registry/watch.ts';
import { badRequest, invalid } from '../status-error.ts';
import { queryFlag, queryNumber } from './call.ts';

/** What a query says of the state it wants to see. */
interface Versions {
  readonly revision: number | undefined;
  readonly match: string;
  readonly continue: string | undefined;
  /** Absent is not the same as false. */
  readonly sendInitialEvents: boolean | undefined;
}

const field = 'resourceVersionMatch';
const matches = ['Exact', 'NotOlderThan'];
const listOptions = { group: 'meta.k8s.io', kind: 'ListOptions' };

/**
 * Which page of which state a list asks for:
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list.
 */
export function readListOptions(
  query: URLSearchParams,
): Pick<ListRequest<KubeObject>, 'limit' | 'continue' | 'exactRevision' | 'minimumRevision'> {
  const versions = readVersions(query);
  check(listMistakes(versions));
  const { revision, match } = versions;
  const limit = queryNumber(query, 'limit');
  if (versions.continue !== undefined && revision)
    throw badRequest('specifying resource version is not allowed when using continue');
  // A limited list at a revision is exact; any other may be newer.
  const isExact = match === 'Exact' || (match === '' && !!revision && !!limit);
  return {
    limit: limit === 0 ? undefined : limit,
    continue: versions.continue,
    exactRevision: isExact ? revision : undefined,
    minimumRevision: isExact || versions.continue !== undefined ? undefined : revision,
  };
}

export interface WatchStart extends Pick<WatchRequest<KubeObject>, 'afterRevision' | 'minimumRevision'> {
  /** Whether a bookmark says when all that was there at the start has been sent. */
  readonly marksInitialEnd: boolean;
}

/**
 * Where a watch begins: https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-watch and, for
 * `sendInitialEvents`, #streaming-lists. `current` is the newest revision.
 */
export function readWatchStart(query: URLSearchParams, current: number): WatchStart {
  const versions = readVersions(query);
  check(watchMistakes(versions));
  const { revision, sendInitialEvents } = versions;
  if (sendInitialEvents === true) {
    const marksInitialEnd = queryFlag(query, 'allowWatchBookmarks');
    return { afterRevision: undefined, minimumRevision: revision, marksInitialEnd };
  }
  if (revision) return { afterRevision: revision, marksInitialEnd: false };
  // Without a revision the present state comes first, unless it is declined.
  return { afterRevision: sendInitialEvents === false ? current : undefined, marksInitialEnd: false };
}

function readVersions(query: URLSearchParams): Versions {
  const asked = query.get('sendInitialEvents') ?? '';
  return {
    revision: queryNumber(query, 'resourceVersion'),
    match: query.get(field) ?? '',
    continue: query.get('continue') || undefined,
    sendInitialEvents: asked === '' ? undefined : queryFlag(query, 'sendInitialEvents'),
  };
}

function listMistakes({ match, revision, continue: token, sendInitialEvents }: Versions): FieldError[] {
  const mistakes: FieldError[] = [];
  if (match !== '') {
    if (revision === undefined)
      mistakes.push(forbidden(field, `${field} is forbidden unless resourceVersion is provided`));
    if (token !== undefined)
      mistakes.push(forbidden(field, `${field} is forbidden when continue is provided`));
    if (!matches.includes(match)) mistakes.push(notSupported(field, match, ['', ...matches]));
    if (match === 'Exact' && revision === 0)
      mistakes.push(forbidden(field, `${field} "exact" is forbidden for resourceVersion "0"`));
  }
  if (sendInitialEvents !== undefined)
    mistakes.push(forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
  return mistakes;
}

function watchMistakes({ match, continue: token, sendInitialEvents }: Versions): FieldError[] {
  const mistakes: FieldError[] = [];
  if (sendInitialEvents !== undefined && match !== 'NotOlderThan')
    mistakes.push(forbidden(field, `sendInitialEvents requires setting ${field} to NotOlderThan`));
  if (match === '') return mistakes;
  if (sendInitialEvents === undefined)
    mistakes.push(forbidden(field, `${field} is forbidden for watch unless sendInitialEvents is provided`));
  if (match !== 'NotOlderThan') mistakes.push(notSupported(field, match, ['NotOlderThan']));
  if (token !== undefined) mistakes.push(forbidden(field, `${field} is forbidden when continue is provided`));
  return mistakes;
}

function check(mistakes: readonly FieldError[]): void {
  if (mistakes.length > 0) throw invalid(listOptions, '', mistakes);
}
