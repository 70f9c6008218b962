import type { Pod } from '../../api/kinds/pod.ts';
import type { Service } from '../../api/kinds/service.ts';

/** Runs a command somewhere: on a node, in a pod, on the outside host. */
export type Execute = (...command: string[]) => Promise<string>;

/** Random balancing misses one of two pods in 20 tries once in half a million walks. */
const balancingTries = 20;

/** Asks the lab's nginx who is calling. */
export async function whoami(
  execute: Execute,
  authority: string,
): Promise<{ source: string; server: string }> {
  const answer = await execute('curl', '-sS', '--max-time', '5', `http://${authority}/whoami`);
  const [source = '', server = ''] = answer.trim().split(' ');
  return { source, server };
}

/** Connects again and again until every pod has answered. One shell loop: each connection is a new one. */
export async function reachesAll(execute: Execute, origin: string, pods: readonly Pod[]): Promise<void> {
  const loop = `i=0; while [ $i -lt ${balancingTries} ]; do curl -sSk --max-time 5 ${origin}/whoami || exit 1; i=$((i+1)); done`;
  const answers = (await execute('sh', '-c', loop)).trim().split('\n');
  const servers = new Set(answers.map((line) => line.split(' ')[1]));
  const missing = pods.filter(({ metadata }) => !servers.has(metadata.name));
  if (answers.length !== balancingTries || missing.length > 0)
    throw new Error(
      `${origin}: ${answers.length} answers, none from ${missing.map(({ metadata }) => metadata.name).join(', ')}`,
    );
}

/** Fetches a page as the guide does and expects nginx's own. */
export async function readWelcome(execute: Execute, url: string, ...options: string[]): Promise<string> {
  const page = await execute('curl', '-sS', '--max-time', '5', ...options, url);
  const title = /<h1>(.*)<\/h1>/.exec(page)?.[1];
  if (title !== 'Welcome to nginx!') throw new Error(`${url} answered:\n${page.slice(0, 300)}`);
  return title;
}

/** Where the Service serves http inside the cluster: `http://10.96.44.7`, with its port where that is not 80. */
export function httpOrigin({ spec }: Service, host = spec.clusterIP ?? '?'): string {
  const port = spec.ports?.find(({ targetPort }) => targetPort === 80)?.port ?? 80;
  return `http://${host}${port === 80 ? '' : `:${port}`}`;
}

/** The port that every node opens for one of the Service's own ports. */
export function nodePortOf({ spec }: Service, targetPort: number): number {
  const port = spec.ports?.find((each) => each.targetPort === targetPort)?.nodePort;
  if (!port) throw new Error(`the Service has no nodePort for ${targetPort}`);
  return port;
}
