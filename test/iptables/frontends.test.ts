import t from 'tap';

import { FrontendTable } from '../../iptables/frontends.ts';
import type { CompiledService, Frontend } from '../../iptables/model.ts';

function frontend(owner: string, address: string, kind: Frontend['kind'] = 'clusterIP'): Frontend {
  const common = { family: 'ipv4', protocol: 'tcp', port: 80, endpoints: [], whenEmpty: 'reject' } as const;
  return { ...common, kind, address, name: `default/${owner}` };
}

function service(name: string, created: string, ...frontends: Frontend[]): CompiledService {
  return { key: `default/${name}`, created, frontends, problems: [] };
}

function setup() {
  const table = new FrontendTable();
  const update = (name: string, one: CompiledService | undefined): string[] =>
    table
      .update(`default/${name}`, one)
      .map(
        ({ id, before, after }) =>
          `${id.split(' ')[2] ?? ''}: ${before?.name ?? 'none'} → ${after?.name ?? 'none'}`,
      );
  const conflicts = (): string[] =>
    [...table.listConflicts()].map(([key, { message }]) => `${key}: ${message}`);
  return { table, update, conflicts };
}

t.test('what differs is told, nothing else', (t) => {
  const { table, update } = setup();
  const a = service('a', '1', frontend('a', '10.96.0.1'), frontend('a', '10.96.0.2'));
  t.strictSame(update('a', a), ['10.96.0.1: none → default/a', '10.96.0.2: none → default/a']);
  t.strictSame(update('a', structuredClone(a)), [], 'the same again');
  t.strictSame([...table.keys()], ['default/a']);
  t.strictSame(update('a', service('a', '1', frontend('a', '10.96.0.2'), frontend('a', '10.96.0.3'))), [
    '10.96.0.1: default/a → none',
    '10.96.0.3: none → default/a',
  ]);
  t.strictSame(update('a', undefined), ['10.96.0.2: default/a → none', '10.96.0.3: default/a → none']);
  t.strictSame(update('a', undefined), []);
  t.equal(table.get('default/a'), undefined);
  t.end();
});

t.test('of several that claim one frontend the oldest has it, in whatever order they come and go', (t) => {
  const { table, update, conflicts } = setup();
  const one = (name: string, created: string): CompiledService =>
    service(name, created, frontend(name, '203.0.113.1', 'externalIP'));
  t.strictSame(update('b', one('b', '2')), ['203.0.113.1: none → default/b']);
  t.strictSame(update('c', one('c', '3')), []);
  t.strictSame(update('a', one('a', '2')), ['203.0.113.1: default/b → default/a'], 'as old: by name');
  t.strictSame(conflicts().sort(), [
    'default/b: externalIP 203.0.113.1 port 80/tcp belongs to the older Service default/a',
    'default/c: externalIP 203.0.113.1 port 80/tcp belongs to the older Service default/a',
  ]);
  t.strictSame(
    [...table.owned()].map(({ name }) => name),
    ['default/a'],
  );
  t.strictSame(update('b', undefined), []);
  t.strictSame(update('a', undefined), ['203.0.113.1: default/a → default/c']);
  t.strictSame(conflicts(), []);
  t.strictSame(update('c', service('c', '3')), ['203.0.113.1: default/c → none']);
  t.end();
});

t.test('a Service that names an address twice has it by its first claim, without a conflict', (t) => {
  const { update, conflicts, table } = setup();
  const twice = service('a', '1', frontend('a', '10.96.0.1'), frontend('a', '10.96.0.1', 'externalIP'));
  t.strictSame(update('a', twice), ['10.96.0.1: none → default/a']);
  t.strictSame(conflicts(), []);
  t.equal(table.update('default/a', undefined)[0]?.before?.kind, 'clusterIP');
  t.end();
});
