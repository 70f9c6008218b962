/** On a host of unpacked packages: tells managers of links to keep off ours, as the agent does, and prints what it found. */
import { checkLinkManagers } from '../../agent/host/checks.ts';
import { hostDirectories } from '../../agent/host/link-managers.ts';

process.stdout.write(JSON.stringify(checkLinkManagers(hostDirectories, { mend: true })));
