import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { skipUnlessRoot } from '../root.ts';

const root = join(import.meta.dirname, '../..');

/**
 * Runs scripts/install in a mount namespace of its own, where what it writes goes to a temporary layer over the
 * machine's directories, and where systemctl only writes down what it was asked.
 */
function installTwice(directory: string): { status: number | null; out: string; err: string } {
  const script = `
    set -e
    mount -t tmpfs tmpfs ${directory}/layers
    for target in /opt /etc /usr/local /run; do
      mkdir -p ${directory}/layers$target/upper ${directory}/layers$target/work
      mount -t overlay overlay -o lowerdir=$target,upperdir=${directory}/layers$target/upper,workdir=${directory}/layers$target/work $target
    done
    mkdir -p /run/systemd/system
    export PATH=${directory}:/usr/local/bin:$PATH
    ${root}/scripts/install server agent nodeIPs=192.0.2.1 zone=one.example
    printf 'nodeLabels:\\n  rack: a\\n# mine\\nupstreams:\\n- 192.0.2.53' >>/etc/weft/weft.yaml
    chmod 644 /etc/weft/weft.yaml
    ${root}/scripts/install agent zone=two.example nodeLabels="rack=b,who=it's" token=x
    cat /etc/weft/weft.yaml
    stat -c '%a %n' /etc/weft/weft.yaml
    weft version
    ls /etc/systemd/system/weft@.service /opt | grep weft
  `;
  const { status, stdout, stderr } = spawnSync('unshare', ['--mount', 'bash', '-c', script], {
    encoding: 'utf8',
  });
  return { status, out: stdout, err: stderr };
}

if (skipUnlessRoot(t)) {
  t.test('install lays the tree out, keeps the settings and starts the services', (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'weft-install-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    spawnSync('mkdir', [join(directory, 'layers')]);
    writeFileSync(join(directory, 'systemctl'), `#!/bin/sh\necho "$*" >>${directory}/asked\n`, {
      mode: 0o755,
    });
    const { status, out, err } = installTwice(directory);
    t.equal(status, 0, err);
    t.match(
      out,
      "nodeIPs: '192.0.2.1'\n# mine\nupstreams:\n- 192.0.2.53\nzone: 'two.example'\nnodeLabels: 'rack=b,who=it''s'\ntoken: 'x'\n",
      'settings are replaced, blocks too, and the others stay',
    );
    t.match(out, '600 /etc/weft/weft.yaml', 'it may hold a token');
    t.match(out, /weft \d+\.\d+\.\d+ \(node 24\./);
    t.notMatch(out, /weft\.(new|old)/, 'no half-made tree stays');
    t.match(
      readFileSync(join(directory, 'asked'), 'utf8'),
      /^daemon-reload\nenable --quiet weft@server\.service\nrestart weft@server\.service\nenable --quiet weft@agent\.service\nrestart weft@agent\.service\n/,
    );
    t.notOk(existsSync('/opt/weft'), 'the machine itself has nothing of it');
    t.end();
  });
}
