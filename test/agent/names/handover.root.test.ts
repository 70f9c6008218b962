import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import packet from 'dns-packet';
import t, { type Test } from 'tap';
import { createNamespace, removeNamespace, runInNamespace } from '../../../netns/namespace.ts';
import { CheckingClient } from '../../../scripts/soaks/checking-client.ts';
import { eventually } from '../../api/eventually.ts';
import { skipUnlessRoot } from '../../root.ts';
import { Supervisor } from '../../../rig/supervisor.ts';
import type { HandoverSettings } from './handover-process.ts';

const namespace = `weft-test-handover${process.pid}`;
const [first, second] = ['10.96.0.10', 'fd00:10:96::a'] as const;
const clientsOf = { [first]: '127.0.0.1', [second]: '::1' };
const name = 'web.default.svc.cluster.local';
const program = new URL('handover-process.ts', import.meta.url).pathname;

function run(...[command, ...args]: [string, ...string[]]): string {
  return runInNamespace(namespace, () => execFileSync(command, args, { encoding: 'utf8' }));
}

class Fixture implements Disposable {
  readonly supervisor: Supervisor;
  readonly answers: string[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), 'weft-handover-'));
  readonly #settings = join(this.#directory, 'settings.json');
  readonly #clients: CheckingClient[] = [];
  readonly #log = join(this.#directory, 'log');

  constructor() {
    this.supervisor = new Supervisor({
      command: [process.execPath, program, this.#settings],
      namespace,
      output: openSync(this.#log, 'a'),
    });
  }

  /** Starts it, with the names at hand unless they are held back. */
  async start(settings: Partial<HandoverSettings> = {}, synced = true): Promise<void> {
    const syncFile = join(this.#directory, 'synced');
    rmSync(syncFile, { force: true });
    if (synced) writeFileSync(syncFile, '');
    const all: HandoverSettings = {
      dnsIPs: [first, second],
      dnsWorkers: 1,
      address: '10.96.1.2',
      syncFile,
      ...settings,
    };
    writeFileSync(this.#settings, JSON.stringify(all));
    const before = this.#served;
    await this.supervisor.start();
    if (synced) await eventually('it answers', () => this.#served === before + all.dnsIPs.length);
  }

  /** On how many addresses it has begun to answer, all starts together. */
  get #served(): number {
    return this.log.split('"msg":"cluster DNS answers"').length - 1;
  }

  sync(): void {
    writeFileSync(join(this.#directory, 'synced'), '');
  }

  get log(): string {
    return readFileSync(this.#log, 'utf8');
  }

  /** Asks each server address so many times, each time from another port. */
  ask(times: number, ...hosts: (keyof typeof clientsOf)[]): void {
    for (const host of hosts) {
      for (let time = 0; time < times; time += 1) {
        const question = packet.encode({ type: 'query', id: 0, questions: [{ name, type: 'A' }] });
        const client = runInNamespace(
          namespace,
          () =>
            new CheckingClient({
              host,
              port: 53,
              from: clientsOf[host],
              questions: [question],
              onAnswer: (_, answer) => this.answers.push(render(answer)),
            }),
        );
        this.#clients.push(client);
        client.ask(0);
      }
    }
  }

  get outstanding(): number {
    return this.#clients.reduce((sum, { outstanding }) => sum + outstanding, 0);
  }

  async allAnswered(): Promise<void> {
    await eventually('all is answered', () => this.outstanding === 0);
  }

  [Symbol.dispose](): void {
    this.supervisor[Symbol.dispose]();
    for (const client of this.#clients) client.close();
    rmSync(this.#directory, { recursive: true });
  }
}

function render(answer: Buffer): string {
  const { answers } = packet.decode(answer);
  return (answers ?? []).map((each) => (each.type === 'A' ? each.data : each.type)).join(' ');
}

function sameAnswers(t: Test, fixture: Fixture, count: number, address: string): void {
  t.same([...new Set(fixture.answers)], [address]);
  t.equal(fixture.answers.length, count);
}

if (skipUnlessRoot(t)) {
  createNamespace(namespace).close();
  t.teardown(() => removeNamespace(namespace));
  run('ip', 'link', 'set', 'lo', 'up');
  run('ip', 'address', 'add', `${first}/32`, 'dev', 'lo');
  run('ip', 'address', 'add', `${second}/128`, 'dev', 'lo');

  for (const signal of ['SIGUSR2', 'SIGKILL'] as const) {
    t.test(`${signal}: queries wait until the next one knows the names`, async (t) => {
      using fixture = new Fixture();
      await fixture.start();
      fixture.ask(1, first, second);
      await fixture.allAnswered();
      await fixture.supervisor.end(signal);
      fixture.ask(100, first, second);
      const dig = runInNamespace(namespace, () =>
        promisify(execFile)('dig', [`@${first}`, '+tcp', '+time=20', '+tries=1', '+short', name]),
      );
      await fixture.start({ address: '10.96.1.3' }, false);
      t.equal(fixture.outstanding, 200, 'it knows no names yet');
      fixture.sync();
      await fixture.allAnswered();
      fixture.answers.splice(0, 2);
      sameAnswers(t, fixture, 200, '10.96.1.3');
      t.equal((await dig).stdout, '10.96.1.3\n', 'so does a connection');
    });
  }

  t.test('who stops for good answers what has come, and leaves nothing to wait in', async (t) => {
    using fixture = new Fixture();
    await fixture.start();
    fixture.supervisor.signal('SIGSTOP');
    fixture.ask(200, first, second);
    fixture.supervisor.signal('SIGTERM');
    await fixture.supervisor.end('SIGCONT');
    await fixture.allAnswered();
    sameAnswers(t, fixture, 400, '10.96.1.2');
    t.same(fixture.supervisor.stored, []);
    t.equal(run('ss', '-Hlnut', 'sport = :53'), '');
  });

  t.test('fewer workers answer what waits for those that were more', async (t) => {
    using fixture = new Fixture();
    await fixture.start({ dnsWorkers: 4 });
    t.equal(fixture.supervisor.stored.length, 16, 'UDP and TCP of two addresses');
    await fixture.supervisor.end('SIGUSR2');
    fixture.ask(200, first, second);
    await fixture.start({ dnsWorkers: 1 });
    await fixture.allAnswered();
    sameAnswers(t, fixture, 400, '10.96.1.2');
    await eventually(
      'the surplus is gone',
      () => run('ss', '-Hlnut', 'sport = :53').trim().split('\n').length === 4,
    );
    await eventually('and not kept', () => fixture.supervisor.stored.length === 4);
    fixture.ask(50, first, second);
    await fixture.allAnswered();
  });

  t.test('more workers share the port with those that were', async (t) => {
    using fixture = new Fixture();
    await fixture.start({ dnsWorkers: 1 });
    await fixture.supervisor.end('SIGUSR2');
    fixture.ask(100, first);
    await fixture.start({ dnsWorkers: 3 });
    fixture.ask(100, first);
    await fixture.allAnswered();
    sameAnswers(t, fixture, 200, '10.96.1.2');
    t.equal(fixture.supervisor.stored.length, 12);
  });

  t.test('sockets of an address that is none of the DNS any more are closed', async (t) => {
    using fixture = new Fixture();
    await fixture.start();
    await fixture.supervisor.end('SIGUSR2');
    await fixture.start({ dnsIPs: [first] });
    t.same([...new Set(fixture.supervisor.stored)], ['dns-10.96.0.10']);
    t.match(fixture.log, /"host":"fd00:10:96::a","port":53,"msg":"cluster DNS was here before/);
    await eventually('nobody listens there', () => !run('ss', '-Hlnut').includes('fd00:10:96::a'));
    fixture.ask(10, first);
    await fixture.allAnswered();
  });
}
