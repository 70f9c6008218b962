import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import t from 'tap';
import { AgentError } from '../../../agent/agent-error.ts';
import { isCertificateOf, parseToken, renewalTime } from '../../../agent/node/join.ts';
import { Authority } from '../../../api/server/authority.ts';

t.test('a token names the CA it belongs to', async (t) => {
  const directories = ['a', 'b'].map(() => mkdtempSync(join(tmpdir(), 'weft-join-')));
  t.teardown(() => directories.forEach((directory) => rmSync(directory, { recursive: true })));
  const [ours, other] = await Promise.all(directories.map((directory) => Authority.open(directory)));
  if (!ours || !other) throw new Error('two authorities');
  const token = parseToken(`weft1.${ours.fingerprint}.secret\n`);
  t.equal(token.text, `weft1.${ours.fingerprint}.secret`);
  t.ok(isCertificateOf(token, ours.certificate));
  t.notOk(isCertificateOf(token, other.certificate));
  const { certificate } = await ours.issue({ user: 'u', groups: [], names: [] });
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  const renewal = renewalTime(certificate).getTime();
  t.ok(renewal > validFromDate.getTime() && renewal < validToDate.getTime());
});

t.test('what is no token is refused with what to do', (t) => {
  for (const text of [
    '',
    'weft1',
    'weft1.abc.def',
    `weft2.${'a'.repeat(64)}.x`,
    `weft1.${'a'.repeat(64)}.`,
  ]) {
    t.throws(() => parseToken(text), AgentError, text);
  }
  t.end();
});
