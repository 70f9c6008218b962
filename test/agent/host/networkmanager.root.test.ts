import { execFileSync } from 'node:child_process';
import path from 'node:path';
import t from 'tap';
import { skipUnlessRoot } from '../../root.ts';

const unmanaged = (...links: string[]): string[] => links.map((link) => `${link}:unmanaged`);

if (skipUnlessRoot(t)) {
  t.test('NetworkManager keeps off our links once it was told to, and takes them before', (t) => {
    const program = path.join(import.meta.dirname, 'networkmanager-process.ts');
    const namespaces = ['--mount', '--net', '--pid', '--fork', '--mount-proc', '--propagation', 'private'];
    const said = execFileSync('unshare', [...namespaces, '--kill-child', process.execPath, program], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    t.match(JSON.parse(said), {
      before: [
        /^trouble \| NetworkManager manages the link weft0.*nmcli device set weft0 managed no$/,
        /^trouble \| NetworkManager manages the link wefta, /,
      ],
      told: [/^mended \| .*\/etc\/NetworkManager\/conf\.d\/90-weft\.conf/],
      after: {
        found: [/^well \| NetworkManager keeps off/],
        states: [/^lo:/, /^theirs:conn/, /^theirsp:conn/, ...unmanaged('weft0', 'wefta')],
        addresses: ['weft0 UNKNOWN 10.244.1.1/24', /^wefta@if\d+ UP$/],
      },
      restarted: {
        found: [/^well \| NetworkManager keeps off/],
        states: [
          /^lo:/,
          ...['theirs2', 'theirs2p', 'theirs', 'theirsp'].map((name) => new RegExp(`^${name}:conn`)),
          ...unmanaged('weft0', 'wefta', 'weftb'),
        ],
        addresses: ['weft0 UNKNOWN 10.244.1.1/24', /^wefta@if\d+ UP$/, /^weftb@if\d+ UP$/],
      },
      removed: ['NetworkManager'],
    });
    const { after, restarted } = JSON.parse(said) as Record<'after' | 'restarted', { addresses: string[] }>;
    for (const { addresses } of [after, restarted])
      t.notMatch(addresses.join(), 'fe80', 'ours have no addresses of its making');
    t.end();
  });
}
