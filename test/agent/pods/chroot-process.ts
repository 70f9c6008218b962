/** Runs inside a chroot and tells, as JSON, what it found and what root the written runc gives what it runs. */
import { execFileSync } from 'node:child_process';
import { isChrooted, writeRootedRunc } from '../../../agent/pods/real-root.ts';

const [program = ''] = process.argv.slice(2);
const roots = 'stat --format=%d:%i /; nsenter --mount=/proc/self/ns/mnt stat --format=%d:%i /; cat /mark';
writeRootedRunc(program, '/bin/sh');
const [own, namespace, mark] = execFileSync(program, ['-c', roots], { encoding: 'utf8' }).split('\n');
process.stdout.write(JSON.stringify({ chrooted: isChrooted(), own, namespace, mark }));
