import t from 'tap';
import { chooseRun } from '../../../agent/pods/log-choice.ts';
import type { ContainerRecord, Termination } from '../../../agent/pods/record.ts';

const ref = { namespace: 'default', pod: 'web', container: 'main' };
const end: Termination = {
  id: 'x',
  exitCode: 1,
  reason: 'Error',
  message: '',
  finishedAt: '2026-01-01T00:00:00Z',
};
const record = (attempt: number, parts: Partial<ContainerRecord> = {}): ContainerRecord => ({
  name: 'main',
  id: String(attempt),
  attempt,
  image: 'x',
  imageName: 'x',
  backOffMs: 0,
  ready: true,
  started: true,
  ...parts,
});
const crashed = { reason: 'CrashLoopBackOff' };

t.test('the run whose log is shown', (t) => {
  const first = { run: record(0), waiting: undefined };
  const third = { run: record(2, { lastTermination: end }), waiting: undefined };
  const over = { run: record(0, { termination: end }), waiting: undefined };
  const waits = { run: record(0, { termination: end }), waiting: crashed };
  t.equal(chooseRun(ref, first, false), 0);
  t.equal(chooseRun(ref, third, false), 2);
  t.equal(chooseRun(ref, third, true), 1);
  t.equal(chooseRun(ref, over, false), 0);
  t.equal(chooseRun(ref, waits, false), 0);
  t.equal(chooseRun(ref, waits, true), 0, 'the one that crashed is the previous one');
  for (const situation of [first, over, { run: undefined, waiting: undefined }])
    t.throws(() => chooseRun(ref, situation, true), {
      code: 400,
      message: 'previous terminated container "main" in pod "web" not found',
    });
  t.end();
});

t.test('containers that never ran', (t) => {
  const words: [string | undefined, string][] = [
    [undefined, 'ContainerCreating'],
    ['PodInitializing', 'PodInitializing'],
    ['ErrImagePull', "image can't be pulled"],
    ['ImagePullBackOff', 'trying and failing to pull image'],
    ['CreateContainerConfigError', 'CreateContainerConfigError'],
  ];
  for (const [reason, expected] of words)
    t.throws(
      () => chooseRun(ref, { run: undefined, waiting: reason === undefined ? undefined : { reason } }, false),
      {
        code: 400,
        message: `container "main" in pod "web" is waiting to start: ${expected}`,
      },
    );
  t.end();
});
