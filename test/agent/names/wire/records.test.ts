import t, { type Test } from 'tap';
import { startWireServer } from './cluster.ts';
import { query, type At, type Printed, type Program } from './clients.ts';
import { tables, type Case } from './tables.ts';

const programs: readonly Program[] = ['dig', 'kdig'];
const protocols = ['+notcp', '+tcp'] as const;

/** All that the specification says about an answer, and nothing that may differ between two right ones. */
function comparable({ status, flags, answer, authority, additional }: Printed): Record<string, unknown> {
  return {
    status,
    flags,
    answer: answer.toSorted(),
    authority: authority.toSorted(),
    additional: additional.toSorted(),
  };
}

function expectedOf([, , { status = 'NOERROR', flags = 'aa', ...records }]: Case): Record<string, unknown> {
  return {
    status,
    flags: ['qr', flags, 'rd', 'ra'].filter(Boolean).join(' '),
    answer: (records.answer ?? []).toSorted(),
    authority: (records.authority ?? []).toSorted(),
    additional: (records.additional ?? []).toSorted(),
  };
}

async function check(t: Test, program: Program, at: At, protocol: string): Promise<void> {
  for (const [topic, cases] of Object.entries(tables)) {
    const answers = await query(
      program,
      at,
      [protocol],
      cases.map(([name, type]) => [name, type] as const),
    );
    t.equal(answers.length, cases.length, `${topic}: every question is answered`);
    for (const [index, answer] of answers.entries()) {
      const one = cases[index];
      if (one) t.strictSame(comparable(answer), expectedOf(one), `${topic}: ${one[0]} ${one[1]}`);
    }
  }
}

t.test('every line of the specification, by clients of others', async (t) => {
  const { hosts } = await startWireServer(t);
  t.equal(hosts.length, 2, 'both families');
  for (const at of hosts) {
    for (const program of programs) {
      for (const protocol of protocols) {
        await t.test(`${program} ${protocol} ${at.host}`, (t) => check(t, program, at, protocol));
      }
    }
  }
});
