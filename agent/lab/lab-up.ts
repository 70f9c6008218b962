import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError } from '../../api/client/api-error.ts';
import type { ApiClient } from '../../api/client/client.ts';
import { AgentError, AgentErrors } from '../agent-error.ts';
import { guideImages } from '../pods/guide-images.ts';
import { removePods } from '../cleanup/pod-removal.ts';
import { ImageTable } from '../pods/images.ts';
import { listMissingFileSystems, listMissingPrograms } from '../node/preflight.ts';
import { openLabClient, readNodeReadiness, writeLabKubeconfig } from './lab-client.ts';
import {
  checkApiPort,
  endBereftDaemons,
  ensureDaemon,
  findDaemon,
  listDaemons,
  logFile,
  readLastWords,
} from './lab-daemons.ts';
import type { LabDaemon } from './lab-daemons.ts';
import { withLabLock } from './lab-lock.ts';
import { ensureLabNetwork } from './lab-network.ts';
import { planLab } from './lab-plan.ts';
import type { LabPlan } from './lab-plan.ts';
import { mergeLabSettings, readLabSettings, writeLabSettings } from './lab-settings.ts';
import type { LabWishes } from './lab-settings.ts';

const readyWithinMs = 60_000;

/**
 * Brings a lab up or repairs it: makes what is missing, keeps what is well. Returns, once every node is Ready, a
 * line for the user. Throws AgentError when that takes more than a minute or a process ends.
 */
export async function labUp(
  name: string,
  wishes: LabWishes,
  report: (step: string) => void,
): Promise<string> {
  const startedAt = performance.now();
  return withLabLock(name, async () => {
    const stored = readLabSettings(name);
    const settings = mergeLabSettings(name, stored, wishes);
    checkNeeds(settings.backend);
    if (stored && settings.nodes < stored.nodes) {
      const remedy = `end it first: weft lab --name ${name} down`;
      throw new AgentError('lab-shrinks', `lab ${name} has ${stored.nodes} nodes and cannot shrink`, remedy);
    }
    const plan = planLab(settings);
    checkApiPort(plan, stored);
    writeLabSettings(settings);
    report('making network namespaces');
    const daemons = listDaemons(plan);
    const bereft = await endBereftDaemons(plan, daemons);
    const made = ensureLabNetwork(plan);
    // Pods of a namespace that is gone are cut off, those without a record unknown: the agent starts them anew.
    for (const host of new Set([...made, ...bereft])) await removePods(host);
    for (const { stateDir } of plan.nodes) declareGuideImages(stateDir);
    report('starting the server and the agents');
    for (const daemon of daemons) await ensureDaemon(plan, daemon);
    await waitUntilReady(plan, daemons, report);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    return `lab ${name}: ${settings.nodes} nodes Ready after ${seconds} s; export KUBECONFIG=${plan.kubeconfig}`;
  });
}

function checkNeeds(backend: 'iptables' | 'nftables'): void {
  const errors = [
    ...listMissingPrograms(['runc', 'conmon', backend === 'nftables' ? 'nft' : 'iptables-restore']),
    ...listMissingFileSystems(['overlay']),
  ];
  if (errors.length > 0) throw new AgentErrors(errors);
}

function declareGuideImages(stateDir: string): void {
  const table = new ImageTable(stateDir);
  for (const { name, root, options } of guideImages) table.add(name, root, options);
}

async function waitUntilReady(
  plan: LabPlan,
  daemons: readonly LabDaemon[],
  report: (step: string) => void,
): Promise<void> {
  let waiting = ['the API: it does not answer yet'];
  let client: ApiClient | undefined;
  const deadline = performance.now() + readyWithinMs;
  while (performance.now() < deadline) {
    await sleep(50);
    checkAlive(plan, daemons);
    client ??= openLabClient(plan);
    if (client) waiting = await listWaiting(plan, client, waiting);
    if (waiting.length > 0) {
      report(`waiting for ${waiting.map(shorten).join('; ')}`);
      continue;
    }
    writeLabKubeconfig(plan);
    client?.close();
    return;
  }
  const logs = daemons.map(({ name }) => logFile(plan, name)).join(' ');
  throw new AgentError('lab-not-ready', `the lab is not ready: ${waiting.join('; ')}`, `see why in ${logs}`);
}

/** The first of a node's reasons, for a line that is read in passing; `weft lab status` has all. */
function shorten(reason: string): string {
  const [first = ''] = reason.split('; ');
  return first.length > 60 ? `${first.slice(0, 59)}…` : first;
}

/** What is not Ready yet, one entry per node; empty when all are. */
async function listWaiting(plan: LabPlan, client: ApiClient, before: string[]): Promise<string[]> {
  try {
    const readiness = await readNodeReadiness(client);
    return plan.nodes.flatMap(({ name }) => {
      const said = readiness.get(name);
      if (!said?.ready) return [`${name}: ${said?.reason ?? 'not registered yet'}`];
      // What an agent said before the one that runs now has started is old news.
      const startedAt = findDaemon(plan, name)?.startedAt ?? 0;
      return said.heartbeat < Math.floor(startedAt / 1000) * 1000 ? [`${name}: its agent starts`] : [];
    });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return before;
  }
}

/** A process that ended will not become ready: says so at once, with its own last words. */
function checkAlive(plan: LabPlan, daemons: readonly LabDaemon[]): void {
  const ended = daemons.find((daemon) => findDaemon(plan, daemon.name) === undefined);
  if (!ended) return;
  const words = readLastWords(plan, ended.name);
  throw new AgentError(
    'lab-process-ended',
    `${ended.name} ended: ${words}`,
    `all of it: ${logFile(plan, ended.name)}`,
  );
}
