import { environmentChecks } from './chapters/environment.ts';
import { dnsChecks } from './chapters/dns.ts';
import { exposeChecks } from './chapters/expose.ts';
import { httpsChecks } from './chapters/https.ts';
import { podChecks } from './chapters/pods.ts';
import { repairChecks, serviceChecks } from './chapters/service.ts';
import { eventually, type LabShell } from './lab-shell.ts';
import { expectCount, selector } from './nginx-pods.ts';

/** The whole guide in its order: https://github.com/kubernetes/kubernetes/blob/v1.0.7/docs/user-guide/connecting-applications.md */
export const guideChecks = [
  ...podChecks,
  ...serviceChecks,
  ...environmentChecks,
  ...dnsChecks,
  ...httpsChecks,
  ...exposeChecks,
  ...repairChecks,
];

/** The checks that only look: they hold at any time after the walk. */
export const lookingChecks = guideChecks.filter(({ looks }) => looks);

/** Takes away what an earlier walk left, so that a walk can be repeated. */
export async function clearGuide(shell: LabShell): Promise<void> {
  await shell.kubectl('delete', 'rc,svc', ...selector, '--ignore-not-found');
  await shell.kubectl('delete', 'secret/nginxsecret', '--ignore-not-found');
  await shell.kubectl('delete', 'rc/curlrc', '--ignore-not-found', '--cascade=orphan');
  // Their shells do not hear SIGTERM: all of the grace period would pass.
  await shell.kubectl('delete', 'pod', 'curlpod', '--ignore-not-found', '--grace-period=1');
  await shell.kubectl('delete', 'pod', '-l', 'app=curlpod', '--grace-period=1');
  for (const label of [selector, ['-l', 'app=curlpod']])
    await eventually(async () => expectCount(await shell.pods(...label), 0), 60_000);
}
