// A node's worker in a process of its own, to be killed: worker-process.ts DIR POD-AS-JSON
import type { Pod } from '../../../api/kinds/pod.ts';
import { PodWorker } from '../../../agent/pods/pod-worker.ts';
import { FakeNode, eventually } from './fake-node.ts';

const [, , dir = '', json = ''] = process.argv;
const node = new FakeNode(dir);
const worker = new PodWorker(node.context, node.network);
const pod = JSON.parse(json) as Pod;
await worker.start();
node.api.add(pod);
await eventually('running', () => node.api.status(pod.metadata.name)?.phase === 'Running');
process.stdout.write('running\n');
setInterval(() => undefined, 1000);
