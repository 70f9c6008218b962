import type { StatusCause } from '../../kinds/meta.ts';
import { renderPath } from './element.ts';
import { pathsOf } from './field-set.ts';
import type { FieldSet } from './field-set.ts';
import type { Manager } from './managers.ts';

/** Fields that another manager has with other values than those applied. */
export interface Conflict {
  readonly manager: Manager;
  readonly fields: FieldSet;
}

/** One cause for each field. */
export function causesOf(conflicts: readonly Conflict[]): StatusCause[] {
  return pathsByManager(conflicts).flatMap(({ manager, paths }) =>
    paths.map((field) => ({ reason: 'FieldManagerConflict', message: `conflict with ${manager}`, field })),
  );
}

/** The conflicts in the words that kubectl prints. */
export function describeConflicts(conflicts: readonly Conflict[]): string {
  const found = pathsByManager(conflicts);
  const count = found.reduce((sum, { paths }) => sum + paths.length, 0);
  const [first] = found;
  if (first && count === 1) {
    return `Apply failed with 1 conflict: conflict with ${first.manager}: ${first.paths.join('')}`;
  }
  const blocks = found.map(({ manager, paths }) =>
    [`conflicts with ${manager}:`, ...paths.map((path) => `- ${path}`)].join('\n'),
  );
  return `Apply failed with ${count} conflicts: ${blocks.join('\n')}`;
}

function pathsByManager(conflicts: readonly Conflict[]): { manager: string; paths: string[] }[] {
  const found = conflicts.map(({ manager, fields }) => ({
    manager: renderName(manager),
    paths: [...pathsOf(fields)].map(renderPath),
  }));
  return found.sort((a, b) => (a.manager < b.manager ? -1 : 1));
}

function renderName({ manager, operation, apiVersion, subresource }: Manager): string {
  const name = JSON.stringify(manager);
  const through = subresource === '' ? name : `${name} with subresource "${subresource}"`;
  return operation === 'Update' ? `${through} using ${apiVersion}` : through;
}
