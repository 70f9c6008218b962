import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { answerCall } from '../../../agent/cni/answer.ts';
import type { CallAnswer } from '../../../agent/cni/call-server.ts';
import { GoneNotes } from '../../../agent/cni/gone-notes.ts';
import { CniVerbs } from '../../../agent/cni/verbs.ts';
import { NetworkError } from '../../../agent/network/network-error.ts';
import { CniError } from '../../../cni/cni-error.ts';
import { IpamError } from '../../../cni/ipam-error.ts';
import { FakeNetwork } from './fake-network.ts';

class Runtime {
  readonly network = new FakeNetwork();
  readonly notesDir: string;
  readonly verbs: CniVerbs;
  readonly errors: CniError[] = [];

  constructor(t: { testdir(): string }) {
    const runDir = t.testdir();
    this.notesDir = path.join(runDir, 'cni-gone');
    const notes = new GoneNotes(runDir);
    this.verbs = new CniVerbs({ network: this.network, notes });
  }

  async call(
    verb: string,
    containerId: string,
    config: object = {},
  ): Promise<CallAnswer & { said: unknown }> {
    const variables = new Map(
      Object.entries({
        CNI_COMMAND: verb,
        CNI_CONTAINERID: containerId,
        CNI_NETNS: '/run/netns/x',
        CNI_IFNAME: 'eth0',
        CNI_PATH: '/opt/cni/bin',
      }),
    );
    const text = JSON.stringify({ cniVersion: '1.1.0', name: 'weft', ...config });
    const answer = await answerCall(this.verbs, { variables, config: text }, (error) =>
      this.errors.push(error),
    );
    return { ...answer, said: answer.text === '' ? undefined : JSON.parse(answer.text) };
  }

  note(containerId: string): void {
    mkdirSync(this.notesDir, { recursive: true });
    writeFileSync(path.join(this.notesDir, `${containerId}:eth0`), '');
  }
}

t.test('what went wrong, in the specification’s codes', async (t) => {
  const errors = [
    [new NetworkError('not-ready', 'x'), 11],
    [new NetworkError('bad-namespace', 'x'), 8],
    [new NetworkError('exists', 'x'), 101],
    [new NetworkError('port-taken', 'x'), 104],
    [new NetworkError('kernel', 'x'), 100],
    [new NetworkError('kernel', 'x', { cause: new IpamError('unsaved', 'disk') }), 5],
    [new IpamError('unsaved', 'x'), 5],
    [new IpamError('exhausted', 'x'), 103],
    [new IpamError('resting', 'x'), 11],
    [new IpamError('taken', 'x'), 102],
    [new IpamError('outside', 'x'), 102],
    [new Error('x'), 100],
  ] as const;
  for (const [error, code] of errors) {
    const runtime = new Runtime(t);
    runtime.network.refusals.set('attach', error);
    const { exitCode, said } = await runtime.call('ADD', 'c1');
    t.match({ exitCode, said }, { exitCode: 1, said: { cniVersion: '1.1.0', code, msg: 'x' } }, `${code}`);
    t.match(runtime.errors, [{ code }]);
  }
  const runtime = new Runtime(t);
  runtime.network.refusals.set(
    'attach',
    new NetworkError('kernel', 'x', { cause: new IpamError('unsaved', 'disk') }),
  );
  t.match(await runtime.call('ADD', 'c1', { cniVersion: '0.4.0' }), {
    said: { cniVersion: '0.4.0', details: 'disk' },
  });
});

t.test('ADD of an attachment that an earlier one left half made', async (t) => {
  const runtime = new Runtime(t);
  await runtime.call('ADD', 'c1');
  t.match(await runtime.call('ADD', 'c1'), { exitCode: 1, said: { code: 101 } });
  runtime.network.check = () => Promise.resolve(['there is no eth0']);
  runtime.network.calls.length = 0;
  t.match(await runtime.call('ADD', 'c1'), { exitCode: 0 });
  t.same(runtime.network.calls, ['detach cni:c1:eth0', 'attach cni:c1:eth0']);
});

t.test('ADD finishes a DEL that was written down', async (t) => {
  const runtime = new Runtime(t);
  await runtime.call('ADD', 'c1');
  runtime.note('c1');
  t.match(await runtime.call('ADD', 'c1'), { exitCode: 0 });
  t.same(runtime.network.calls.slice(1), ['detach cni:c1:eth0', 'attach cni:c1:eth0']);
  t.same(readdirSync(runtime.notesDir), []);
});

t.test('notes: what cannot be done stays written down', async (t) => {
  const runtime = new Runtime(t);
  runtime.note('c1');
  runtime.note('c2');
  runtime.network.refusals.set('detach cni:c1:eth0', new Error('busy'));
  const errors: unknown[] = [];
  await runtime.verbs.finishNotes((error) => errors.push(error));
  t.match(errors, [{ message: 'busy' }]);
  t.same(readdirSync(runtime.notesDir), ['c1:eth0']);
});

t.test('GC goes on after a failure and tells of all', async (t) => {
  const runtime = new Runtime(t);
  for (const id of ['c1', 'c2', 'c3', 'c4']) await runtime.call('ADD', id);
  runtime.note('c9');
  for (const id of ['c1', 'c3'])
    runtime.network.refusals.set(`detach cni:${id}:eth0`, new Error(`busy ${id}`));
  const answer = await runtime.call('GC', '', {
    'cni.dev/valid-attachments': [{ containerID: 'c4', ifname: 'eth0' }],
  });
  t.match(answer, { exitCode: 1, said: { code: 111, msg: /2 attachments/, details: /busy c1.*busy c3/ } });
  const left = runtime.network.attachments().map(({ id }) => id);
  t.same(left, ['cni:c1:eth0', 'cni:c3:eth0', 'cni:c4:eth0']);
  t.same(readdirSync(runtime.notesDir), []);
});

t.test('STATUS', async (t) => {
  const runtime = new Runtime(t);
  t.match(await runtime.call('STATUS', ''), { exitCode: 0, text: '' });
  for (const error of [new NetworkError('not-ready', 'x'), new IpamError('exhausted', 'full')]) {
    runtime.network.refusals.set('probe', error);
    t.match(await runtime.call('STATUS', ''), { exitCode: 1, said: { code: 50, msg: error.message } });
  }
});

t.test('calls for one attachment wait for each other, others do not', async (t) => {
  const runtime = new Runtime(t);
  const gate = Promise.withResolvers<undefined>();
  runtime.network.delays.set('attach cni:c1:eth0', gate.promise);
  const adding = runtime.call('ADD', 'c1');
  const deleting = runtime.call('DEL', 'c1');
  t.match(await runtime.call('ADD', 'c2'), { exitCode: 0 });
  t.same(runtime.network.calls, ['attach cni:c1:eth0', 'attach cni:c2:eth0']);
  gate.resolve(undefined);
  t.match(await adding, { exitCode: 0 });
  t.match(await deleting, { exitCode: 0 });
  t.same(runtime.network.calls.slice(2), ['detach cni:c1:eth0']);
});

t.test('an ADD whose plugin is gone is undone', async (t) => {
  const runtime = new Runtime(t);
  const { onLost } = await runtime.call('ADD', 'c1');
  await onLost?.();
  t.same(runtime.network.attachments(), []);
});
