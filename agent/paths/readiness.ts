import type { Node } from '../../api/kinds/node.ts';

/** Whether a node says of itself that it is well: of one that does not, nothing that fails is news. */
export function isNodeReady(node: Node | undefined): boolean {
  return (node?.status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True');
}
