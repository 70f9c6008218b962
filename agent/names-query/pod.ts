import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseResolvConf, type ResolvConf } from '../../dns/resolv-conf.ts';
import { AgentError } from '../agent-error.ts';
import { nodePaths, podPaths } from '../pods/paths.ts';
import { listRecords } from '../pods/record.ts';

/** A pod of this node, as far as its names go. */
export interface AskingPod {
  /** `namespace/name`. */
  readonly key: string;
  /** Path of its network namespace; undefined: the node's own. */
  readonly netns: string | undefined;
  readonly conf: ResolvConf;
}

/**
 * The pod of this node called `namespace/name`, or `name` (namespace default), or that has this address.
 * @throws {AgentError} `no-pod`, `no-resolv-conf`
 */
export function findPod(
  state: { stateDir: string; runDir: string; nodeName: string },
  wanted: string,
): AskingPod {
  const paths = nodePaths(state.stateDir, state.runDir);
  const key = wanted.includes('/') ? wanted : `default/${wanted}`;
  // Of a pod and one of its name that is still ending, the younger one is meant.
  const record = [...listRecords(paths).values()]
    .filter((each) => each !== undefined)
    .filter((each) => `${each.namespace}/${each.name}` === key || each.ips.includes(wanted))
    .sort((a, b) => (a.startTime < b.startTime ? 1 : -1))[0];
  if (!record) {
    const remedy = `ask on the pod's own node: kubectl get pods -A -o wide | grep ${wanted.split('/').at(-1) ?? ''}`;
    throw new AgentError('no-pod', `pod ${key} is not on this node (${state.nodeName})`, remedy);
  }
  const name = `${record.namespace}/${record.name}`;
  const file = join(podPaths(paths, record.uid).etc, 'resolv.conf');
  try {
    return { key: name, netns: record.netns, conf: parseResolvConf(readFileSync(file, 'utf8')) };
  } catch (cause) {
    const remedy = `see what keeps it: kubectl describe pod ${record.name} -n ${record.namespace}`;
    throw new AgentError('no-resolv-conf', `pod ${name} has no resolv.conf yet`, remedy, cause);
  }
}
