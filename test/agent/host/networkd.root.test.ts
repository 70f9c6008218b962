import { execFileSync } from 'node:child_process';
import path from 'node:path';
import t from 'tap';
import { skipUnlessRoot } from '../../root.ts';

if (skipUnlessRoot(t)) {
  t.test('systemd-networkd, told to configure every link, keeps off ours once it was told to', (t) => {
    const program = path.join(import.meta.dirname, 'networkd-process.ts');
    const namespaces = ['--mount', '--net', '--pid', '--fork', '--mount-proc', '--propagation', 'private'];
    const said = JSON.parse(
      execFileSync('unshare', [...namespaces, '--kill-child', process.execPath, program], {
        encoding: 'utf8',
      }),
    ) as unknown;
    t.match(said, {
      before: {
        findings: [
          {
            state: 'trouble',
            found: 'systemd-networkd manages the link weft0',
            remedy: 'networkctl reload && networkctl reconfigure weft0',
          },
        ],
        addresses: '192.0.2.9/24',
      },
      told: [{ state: 'mended', found: '/etc/systemd/network/10-weft.network' }, { state: 'trouble' }],
      after: { findings: [{ state: 'well', found: 'systemd-networkd keeps off' }], theirs: '192.0.2.9/24' },
      written: [/.*weft/, /.*weft/, /.*weft/, ''],
      left: [''],
    });
    t.notMatch(said, { after: { addresses: '192.0.2.9' } });
    t.end();
  });
}
