import t from 'tap';
import { matchOutput, readTranscript, translate } from './transcript.ts';

const markdown = `
Text, and
\`\`\`sh
$ not a console
\`\`\`
\`\`\`console
$ kubectl get pods
NAME   READY
$ kubectl delete rc my-nginx; echo done
done
\`\`\`
`;

t.test('commands and what they print', (t) => {
  t.same(readTranscript(markdown), [
    { command: 'kubectl get pods', output: ['NAME   READY'], line: 7 },
    { command: 'kubectl delete rc my-nginx; echo done', output: ['done'], line: 9 },
  ]);
  t.end();
});

const pods = [
  'NAME             READY   STATUS    RESTARTS   AGE   IP           NODE',
  'my-nginx-8ssjc   1/1     Running   0          2s    10.244.0.2   node1',
  'my-nginx-rg8pb   1/1     Running   0          2s    10.244.2.2   node2',
];
const otherRun = [
  'NAME   READY   STATUS    RESTARTS   AGE   IP   NODE',
  'my-nginx-aaaaa   1/1     Running   0          3m1s    10.244.1.7   node3',
  'my-nginx-bbbbb   1/1     Running   0          4s    10.244.0.9   node1',
];
const bindings = new Map([
  ['my-nginx-8ssjc', 'my-nginx-aaaaa'],
  ['10.244.0.2', '10.244.1.7'],
  ['my-nginx-rg8pb', 'my-nginx-bbbbb'],
  ['10.244.2.2', '10.244.0.9'],
]);

t.test('names and addresses of a run are learnt and then expected', (t) => {
  t.same(matchOutput(pods, otherRun, new Map()), { bindings });
  t.equal(translate('kubectl exec my-nginx-8ssjc -- date', bindings), 'kubectl exec my-nginx-aaaaa -- date');
  const endpoints = ['nginxsvc   10.244.0.2:80,10.244.2.2:80   5s'];
  const matches = (line: string): boolean => 'bindings' in matchOutput(endpoints, [line], bindings);
  t.ok(matches('nginxsvc   10.244.1.7:80,10.244.0.9:80   5s'));
  t.ok(matches('nginxsvc   10.244.0.9:80,10.244.1.7:80   5s'), 'in any order');
  t.notOk(matches('nginxsvc   10.244.0.9:80,10.244.1.8:80   5s'), 'another address');
  t.notOk(matches('nginxsvc   10.244.0.9:80,10.244.1.7:81   5s'), 'another port');
  t.notOk(matches('nginxsvc   10.244.0.9:80   5s'), 'one is missing');
  t.end();
});

t.test('whatever is no variable is taken literally', (t) => {
  const wrong: Record<string, string[]> = {
    'another status': pods.map((line) => line.replace('Running', 'Pending')),
    'another column': pods.map((line) => line.replace('READY', 'STEADY')),
    'a line is missing': pods.slice(0, 2),
    'a line too much': [...pods, 'my-nginx-ccccc   1/1     Running   0   2s   10.244.2.3   node2'],
    'the same pod twice': [...pods.slice(0, 2), ...pods.slice(1, 2)],
    'no age': pods.map((line) => line.replace('2s', '<none>')),
    nothing: [],
  };
  for (const [what, actual] of Object.entries(wrong))
    t.ok('mismatch' in matchOutput(pods, actual, new Map()), what);
  const dns = ['Server: 10.96.0.10'];
  t.ok('mismatch' in matchOutput(dns, ['Server: 10.96.0.11'], new Map()), 'a standing address');
  t.end();
});

t.test('... stands for any lines', (t) => {
  const matches = (expected: string[], actual: string[]): boolean =>
    'bindings' in matchOutput(expected, actual, new Map());
  t.ok(matches(['...', '<h1>Welcome</h1>', '...'], ['<html>', '<h1>Welcome</h1>', '</html>']));
  t.ok(matches(['a', '...', 'd'], ['a', 'd']));
  t.ok(matches(['a', '...', 'd'], ['a', 'b', 'c', 'd']));
  t.notOk(matches(['...', '<h1>Welcome</h1>', '...'], ['<html>', '</html>']));
  t.notOk(matches(['a', '...', 'd'], ['a', 'b', 'd', 'e']));
  t.notOk(matches(['a', '...', 'd'], ['b', 'd']));
  t.end();
});
