import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runtimesEnvironment } from '../../rig/runtime-programs.ts';

/** The image's name in every runtime. */
export const imageName = 'weft.test/busybox:1';
const tag = 'busybox';
const applets = ['cat', 'hostname', 'httpd', 'ip', 'nslookup', 'ping', 'sh', 'sleep', 'timeout', 'wget'];

/** What containers serve at `/cgi-bin/whoami`: who asked, and who answers. */
const whoami = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
address=\${REMOTE_ADDR#[}
address=\${address%]}
echo "\${address#::ffff:} $(hostname)"
`;
/** The command of a container that serves it on port 8080. */
export const serverCommand = ['/bin/httpd', '-f', '-p', '8080', '-h', '/www'] as const;

/** An image that was made of this machine's busybox alone, without any network. */
export interface TestImage {
  /** An OCI image layout as one file: `ctr images import` and `podman load` read it. */
  readonly archive: string;
}

/** Makes the image below `directory`. Its program only waits: it serves as sandbox and as container. */
export function makeImage(directory: string): TestImage {
  const layout = join(directory, 'layout');
  const bundle = join(directory, 'bundle');
  const archive = join(directory, 'image.tar');
  const image = `${layout}:${tag}`;
  const umoci = (...args: string[]): void => {
    execFileSync('umoci', args, { env: runtimesEnvironment(), stdio: ['ignore', 'ignore', 'inherit'] });
  };
  mkdirSync(directory, { recursive: true });
  umoci('init', '--layout', layout);
  umoci('new', '--image', image);
  umoci('unpack', '--image', image, bundle);
  const bin = join(bundle, 'rootfs/bin');
  for (const each of ['bin', 'etc', 'tmp', 'www/cgi-bin'])
    mkdirSync(join(bundle, 'rootfs', each), { recursive: true });
  writeFileSync(join(bundle, 'rootfs/www/cgi-bin/whoami'), whoami, { mode: 0o755 });
  copyFileSync('/bin/busybox', join(bin, 'busybox'));
  for (const applet of applets) symlinkSync('busybox', join(bin, applet));
  umoci('repack', '--image', image, bundle);
  umoci('config', '--image', image, '--config.entrypoint', '/bin/sleep', '--config.cmd', '100000');
  rmSync(bundle, { recursive: true });
  execFileSync('tar', ['-C', layout, '-cf', archive, '.']);
  return { archive };
}
