/** Tells what it inherited, and what a program that it starts inherits; stores files with its service manager. */
import { execFileSync } from 'node:child_process';
import { openSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { takeInheritedFds } from '../../agent/inherited-fds.ts';
import { forgetFds, notifyServiceManager, storeFds } from '../../agent/notify.ts';

const [directory = '', ...forgotten] = process.argv.slice(2);
const report = `${directory}/report.json`;
const inherited = takeInheritedFds();
const child = execFileSync('sh', ['-c', 'ls -l /proc/self/fd; env'], { encoding: 'utf8' });
writeFileSync(
  report,
  JSON.stringify({
    inherited: inherited.map(
      ({ fd, name }) => `${name} ${readlinkSync(`/proc/self/fd/${fd}`).split('/').at(-1)}`,
    ),
    texts: inherited.map(({ fd }) => readFileSync(fd, 'utf8')),
    leaked: child.split('\n').filter((line) => line.includes('LISTEN_') || line.includes(directory)),
  }),
);
const stored = ['one', 'two'].map((name) => openSync(`${directory}/${name}`, 'r'));
const told = storeFds('files', stored);
// Twice: the second time they are there already.
storeFds('files', stored);
storeFds('other', [openSync(`${directory}/three`, 'r')]);
for (const name of forgotten) forgetFds(name);
notifyServiceManager('READY=1', `STATUS=stored ${told}`);
setInterval(() => undefined, 60_000);
