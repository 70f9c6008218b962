import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Finding } from '../../agent/host/finding.ts';
import { labsRunDir, labsStateDir } from '../../agent/lab/lab-plan.ts';
import type { Variant } from '../../iptables/iptables-family.ts';
import { runInNamespace } from '../../netns/namespace.ts';
import { freePort } from '../../rig/free-port.ts';
import { LabShell } from '../guide/lab-shell.ts';
import { runLab } from '../run-lab.ts';
import { deploy, listClosed, listWays } from './cluster-traffic.ts';
import type { Way } from './cluster-traffic.ts';
import { PackagedHost } from './packaged-host.ts';

/** A program of Debian's that keeps rules on hosts, or configures their links. */
interface HostProgram {
  /** Root's commands that start it with what its package configures; the last may be one that stays. */
  readonly start: string;
  /** Succeeds once it has made its rules. */
  readonly isUp: string;
  /** What makes it write all its rules anew. */
  readonly anew: readonly string[];
  readonly stop: string;
  /** Whether weft's own rules get pods' packets through, or its user has to be told how. */
  readonly isMended: boolean;
  /** Which of the kernel's interfaces it uses when it calls `iptables`. Default: nft */
  readonly variant?: Variant;
}

const firewalld = 'setsid firewalld --nopid';
const dockerd =
  'setsid dockerd --storage-driver=vfs --data-root=/run/docker-data --exec-root=/run/docker --pidfile=/run/docker.pid >/run/docker.log 2>&1 &';
// The link of the node is not in the default zone: remedies must name the one that it is in.
const zoned = 'firewall-offline-cmd --zone=work --add-interface=eth0';
const linkManagers = `${process.execPath} ${join(import.meta.dirname, 'link-managers-process.ts')}`;
// Its first look at the links comes some time after its start.
const networkManager = `NetworkManager --log-level=ERR && until ${linkManagers} | grep -q 'keeps off'; do sleep 0.2; done`;

const overNftables = {
  start: `${zoned} && ${firewalld}`,
  isUp: 'firewall-cmd --state',
  anew: ['firewall-cmd --reload', 'firewall-cmd --complete-reload', `pkill -x firewalld; ${firewalld}`],
  stop: 'pkill -x firewalld; while pgrep -x firewalld; do sleep 0.1; done',
  isMended: false,
} as const satisfies HostProgram;

const ufw = {
  start: 'ufw --force enable',
  isUp: "ufw status | grep -q 'Status: active'",
  anew: ['ufw reload', 'ufw disable && ufw --force enable'],
  stop: 'ufw disable',
  isMended: true,
} as const satisfies HostProgram;

const docker = {
  // It only drops what is forwarded where nobody had switched forwarding on before.
  start: `sysctl -qw net.ipv4.ip_forward=0 && ${dockerd}`,
  isUp: 'docker version && iptables -S DOCKER-USER && iptables -S FORWARD | grep -q "P FORWARD DROP"',
  anew: [
    'iptables -F FORWARD',
    `kill $(cat /run/docker.pid); while pgrep -x dockerd; do sleep 0.1; done; ${dockerd}`,
  ],
  stop: 'kill $(cat /run/docker.pid); while pgrep -x dockerd; do sleep 0.1; done; iptables -P FORWARD ACCEPT',
  isMended: true,
} as const satisfies HostProgram;

const hostPrograms = {
  firewalld: overNftables,
  'firewalld over iptables': {
    ...overNftables,
    start: `sed -i s/^FirewallBackend=.*/FirewallBackend=iptables/ /etc/firewalld/firewalld.conf && ${zoned} && ${firewalld}`,
    isMended: true,
  },
  ufw,
  'ufw over iptables-legacy': { ...ufw, variant: 'legacy' },
  docker,
  'docker over iptables-legacy': { ...docker, variant: 'legacy' },
  NetworkManager: {
    // Without udev a link is only looked at where /sys is read-only, as in containers.
    start: `mount -t sysfs -o ro sysfs /sys && ${networkManager}`,
    isUp: 'nmcli -t general status | grep -q connected',
    anew: [
      'nmcli general reload',
      `pkill -x NetworkManager; while pgrep -x NetworkManager; do sleep 0.1; done; ${networkManager}`,
    ],
    stop: 'pkill -x NetworkManager; while pgrep -x NetworkManager; do sleep 0.1; done',
    isMended: true,
  },
} as const satisfies Readonly<Record<string, HostProgram>>;

type HostProgramName = keyof typeof hostPrograms;

interface HostProgramRun {
  readonly program: HostProgramName;
  /** Whether the program or the agent is there first. */
  readonly first: 'program' | 'weft';
}

interface HostProgramsOptions {
  readonly lab: string;
  readonly backend: 'iptables' | 'nftables';
  readonly networkMode: 'vxlan' | 'direct';
  readonly runs: readonly HostProgramRun[];
  /** Whether programs make their rules anew in every way they know; otherwise in the quickest. */
  readonly isThorough: boolean;
  readonly report?: (line: string) => void;
}

/** The node that the programs run on; the other one has no firewall. */
const node = 'node2';
const weft = join(import.meta.dirname, '../../bin/weft');

/**
 * Runs programs that keep rules on a node of a lab, started before weft and after it, and made to write their rules anew.
 * Pods' packets of every kind must get through, or `weft doctor` say what to do: that is then done to the letter, and they
 * must. Returns what was wrong.
 */
export async function checkHostPrograms(options: HostProgramsOptions): Promise<string[]> {
  const { lab, backend, networkMode, runs, isThorough, report = () => undefined } = options;
  const directory = mkdtempSync(join(tmpdir(), 'weft-host-programs-'));
  const settings = ['--nodes', '2', '--backend', backend, '--network-mode', networkMode];
  try {
    runLab(lab, 'up', ...settings, '--api-port', String(await freePort()));
    const shell = new LabShell({ lab, kubectl: 'kubectl', cacheDir: join(directory, 'kubectl') });
    await deploy(shell, directory);
    const ways = await listWays(shell, lab);
    const wrong = await settled(ways, 'before any program');
    for (const run of runs) {
      const started = performance.now();
      const what = `${run.program} (${run.first} first, ${backend}, ${networkMode})`;
      const found = await new Attempt(lab, shell, ways, report).run(run, isThorough);
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      report(`${what}, ${seconds} s: ${found.length === 0 ? 'well' : found.join('; ')}`);
      wrong.push(...found.map((each) => `${what}: ${each}`));
    }
    return wrong;
  } finally {
    runLab(lab, 'down');
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What programs before have left in both of the kernel's interfaces. Listing a legacy table that is not there makes it. */
const forgetRules = `nft flush ruleset
for ip in ip ip6; do
  for table in $(cat /proc/net/\${ip}_tables_names); do
    \${ip}tables-legacy -t $table -F && \${ip}tables-legacy -t $table -X
  done
done`;

/** One program on one node. */
class Attempt {
  readonly #namespace: string;
  readonly #lab: string;
  readonly #shell: LabShell;
  readonly #ways: readonly Way[];
  readonly #report: (line: string) => void;

  constructor(lab: string, shell: LabShell, ways: readonly Way[], report: (line: string) => void) {
    this.#namespace = `weft-${lab}-${node}`;
    this.#lab = lab;
    this.#shell = shell;
    this.#ways = ways;
    this.#report = report;
  }

  async run({ program: name, first }: HostProgramRun, isThorough: boolean): Promise<string[]> {
    const program: HostProgram = hostPrograms[name];
    await using host = await PackagedHost.open(this.#namespace, {
      variant: program.variant ?? 'nft',
      lockFile: join(labsRunDir, this.#lab, node, 'xtables.lock'),
    });
    if (first === 'program') {
      await this.#shell.weft('stop', node);
      await host.run(forgetRules);
    }
    await start(host, program.start, program.isUp);
    if (first === 'program') await this.#shell.weft('start', node);
    const wrong = await this.#followDoctor(host, program);
    wrong.push(...(await settled(this.#ways, 'once all remedies are carried out')));
    for (const command of isThorough ? program.anew : program.anew.slice(0, 1)) {
      await start(host, command, program.isUp);
      wrong.push(...(await settled(this.#ways, `after ${command}`)));
    }
    const left = (await this.#troubles()).map(({ found }) => `the doctor still says: ${found}`);
    await host.run(program.stop);
    wrong.push(...left, ...(await settled(this.#ways, 'without it')));
    return wrong;
  }

  /** Carries out every remedy of the doctor's, to the letter, as root on that host. */
  async #followDoctor(host: PackagedHost, { isMended }: HostProgram): Promise<string[]> {
    let troubles = await this.#troubles();
    // What is the agent's to mend takes until its next look.
    for (let tries = 0; isMended && troubles.some(isForwarding) && tries < 20; tries += 1) {
      await sleep(500);
      troubles = await this.#troubles();
    }
    const told = troubles.filter(isForwarding).length > 0;
    const wrong = told === !isMended ? [] : [`${told ? 'not mended' : 'not named'} what stops pods' packets`];
    if (troubles.length > 0 && (await listClosed(this.#ways)).length === 0) {
      wrong.push(
        `the doctor names troubles where all is open: ${troubles.map(({ found }) => found).join('; ')}`,
      );
    }
    for (const remedy of new Set(troubles.map((trouble) => trouble.remedy ?? ''))) {
      this.#report(`  # ${remedy}`);
      if (remedy === '') wrong.push('a trouble has no remedy');
      else await host.run(remedy);
    }
    return wrong;
  }

  #troubles(): Promise<Finding[]> {
    const args = ['doctor', '--config', join(labsStateDir, this.#lab, node, 'weft.yaml'), '-o', 'json'];
    return new Promise((resolve) => {
      runInNamespace(this.#namespace, () =>
        // It ends with an exit code of its own where there are some.
        execFile(weft, args, (_, stdout) => {
          const findings = JSON.parse(stdout) as Finding[];
          resolve(findings.filter(({ check, state }) => check === 'firewall' && state !== 'well'));
        }),
      );
    });
  }
}

function isForwarding({ found }: Finding): boolean {
  return found.includes('between pods of this node');
}

async function start(host: PackagedHost, command: string, isUp: string): Promise<void> {
  await host.run(command);
  for (let tries = 0; ; tries += 1) {
    try {
      await host.run(isUp);
      return;
    } catch (error) {
      if (tries === 100) throw error;
      await sleep(100);
    }
  }
}

/** Waits until all ways are open; what stays closed is wrong. */
async function settled(ways: readonly Way[], when: string): Promise<string[]> {
  let closed = await listClosed(ways);
  for (let tries = 0; closed.length > 0 && tries < 10; tries += 1) closed = await listClosed(ways);
  return closed.map((name) => `${when}: closed: ${name}`);
}

const clusterKinds = (['iptables', 'nftables'] as const).flatMap((backend) =>
  (['vxlan', 'direct'] as const).map((networkMode) => ({ backend, networkMode })),
);

/**
 * Every program, first and second, with each backend and each way between nodes.
 * @param kind the only backend and mode, as `nftables,direct`; `all`: each. Default: all
 * @param only the only program, as `ufw`. Default: all
 */
export async function soakHostPrograms(kind = 'all', only?: string): Promise<readonly string[]> {
  const report = (line: string): void => void process.stdout.write(`${line}\n`);
  const names = Object.keys(hostPrograms) as HostProgramName[];
  // Docker closes nothing where the agent has switched forwarding on.
  const second = names.filter((name) => !name.startsWith('docker'));
  const runs: HostProgramRun[] = [
    ...names.map((program) => ({ program, first: 'program' }) as const),
    ...second.map((program) => ({ program, first: 'weft' }) as const),
  ].filter(({ program }) => only === undefined || program === only);
  const kinds = clusterKinds.filter((each) => ['all', `${each.backend},${each.networkMode}`].includes(kind));
  if (kinds.length === 0 || runs.length === 0) throw new Error(`there is no ${kind} or no ${only ?? ''}`);
  const wrong: string[] = [];
  for (const each of kinds) {
    const options = { lab: 'soak-host', ...each, runs, isThorough: true, report };
    wrong.push(...(await checkHostPrograms(options)));
  }
  return wrong;
}
