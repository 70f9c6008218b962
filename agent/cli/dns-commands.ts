import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import type { ClusterConfig } from '../../api/cluster.ts';
import { addressBytes, encodeName, renderName, reverseName } from '../../dns/names.ts';
import { TYPE } from '../../dns/wire.ts';
import { normalizeAddress } from '../../iptables/address.ts';
import { AgentError } from '../agent-error.ts';
import type { AgentConfig } from '../config/config.ts';
import type { DnsQuery, QueryStep } from '../names-query/query.ts';
import type { QueryTarget } from '../names-query/client.ts';
import type { AskingPod } from '../names-query/pod.ts';
import { addConfigOptions, readConfig } from './config-options.ts';

interface QueryOptions {
  readonly from?: string;
  readonly at?: string;
  readonly tcp?: boolean;
  readonly output: 'text' | 'json';
}

/** `weft dns query`: an answer of the cluster's DNS, who gave it, and why. */
export function addDnsCommands(program: Command): void {
  const dns = program.command('dns').description("the cluster's DNS").enablePositionalOptions();
  const query = dns
    .command('query')
    .description("ask the cluster's DNS: the answer, who gave it, and why")
    .argument('<name>', 'what to ask for; of an address, its name (PTR)', parseName)
    .argument('[type]', 'A, AAAA, SRV, TXT, … (the address types of the cluster)', parseType)
    .option('--from <pod>', 'ask as this pod of the node does: from its network, by its resolv.conf')
    .option(
      '--at <address>',
      'the server to ask (the DNS address of the cluster, or of the pod)',
      parseAddress,
    )
    .option('--tcp', 'ask over TCP at once')
    .addOption(
      new Option('-o, --output <format>', 'how to show it').choices(['text', 'json']).default('text'),
    );
  addConfigOptions(query, 'agent').action(async (name: string, type: number | undefined) => {
    const { checkRoot } = await import('../node/preflight.ts');
    checkRoot();
    await queryDns(readConfig(query).agent, name, type, query.opts<QueryOptions>());
  });
}

// Imported when needed: commands that only ask something start in half the time.
async function queryDns(
  config: AgentConfig,
  text: string,
  type: number | undefined,
  { from, at, tcp = false, output }: QueryOptions,
): Promise<void> {
  const [
    { runQuery },
    { FactsReader },
    { findPod },
    { diagnoseAgent },
    { renderQuery, renderStep, renderStepJson },
  ] = await Promise.all([
    import('../names-query/query.ts'),
    import('../names-query/facts.ts'),
    import('../names-query/pod.ts'),
    import('../names-query/diagnosis.ts'),
    import('./dns-text.ts'),
  ]);
  const cluster = readCluster(config);
  const pod = from === undefined ? undefined : findPod(config, from);
  const query = prepare(cluster, text, type, { pod, at, tcp });
  const facts = new FactsReader({
    server: config.server,
    stateDir: config.stateDir,
    podNames: config.clusterDns.podNames,
  });
  const steps: QueryStep[] = [];
  try {
    if (output === 'text') process.stdout.write(renderQuery(query, pod));
    for await (const step of runQuery(query, facts)) {
      steps.push(step);
      if (output === 'text') process.stdout.write(renderStep(step, config.nodeName));
    }
  } finally {
    facts.close();
  }
  if (output === 'json') {
    const rendered = steps.map((step) => renderStepJson(step, config.nodeName));
    process.stdout.write(
      `${JSON.stringify({ name: query.name, from: pod?.key, steps: rendered }, undefined, 2)}\n`,
    );
  }
  const silent = steps.at(-1)?.exchanges.find(({ outcome }) => outcome === 'silence');
  if (silent) throw new AgentError('no-answer', silent.failures.join('; '), await diagnoseAgent(config));
}

interface Circumstances {
  readonly pod: AskingPod | undefined;
  readonly at: string | undefined;
  readonly tcp: boolean;
}

function prepare(
  cluster: ClusterConfig,
  text: string,
  type: number | undefined,
  { pod, at, tcp }: Circumstances,
): DnsQuery {
  const hosts = at === undefined ? (pod?.conf.nameservers ?? cluster.dnsIPs.slice(0, 1)) : [at];
  if (hosts.length === 0) {
    const whose = pod ? `pod ${pod.key}` : 'the cluster';
    throw new AgentError('no-server', `${whose} has no DNS server`, 'name one: --at <address>');
  }
  const servers: QueryTarget[] = hosts.map((host) => ({ host, port: 53, netns: pod?.netns, tcp }));
  const bytes = addressBytes(text);
  if (bytes !== undefined) {
    // An address's name is complete: nobody searches for it.
    const name = renderName(reverseName(bytes));
    return { name, types: [type ?? TYPE.PTR], conf: undefined, servers, cluster };
  }
  const families = new Set(cluster.dnsIPs.map((address) => (isIP(address) === 6 ? TYPE.AAAA : TYPE.A)));
  return {
    name: text,
    types: type === undefined ? [...families] : [type],
    conf: pod?.conf,
    servers,
    cluster,
  };
}

/** What the server told this node's agent about the cluster. */
function readCluster({ stateDir }: AgentConfig): ClusterConfig {
  const file = join(stateDir, 'cluster.json');
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ClusterConfig;
  } catch (cause) {
    const remedy = 'ask on a node of the cluster, or start `weft agent` here first';
    throw new AgentError('no-agent', `${file} cannot be read: no agent has run here`, remedy, cause);
  }
}

function parseName(text: string): string {
  try {
    encodeName(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return text;
}

function parseType(text: string): number {
  const name = text.toUpperCase();
  const unnamed = /^TYPE(\d{1,5})$/.exec(name)?.[1];
  const type = unnamed === undefined ? (TYPE as Readonly<Record<string, number>>)[name] : Number(unnamed);
  if (type === undefined || type > 65_535 || type === TYPE.OPT) {
    const known = Object.keys(TYPE).filter((each) => each !== 'OPT');
    throw new InvalidArgumentError(`write one of ${known.join(', ')}, or TYPE and a number`);
  }
  return type;
}

function parseAddress(text: string): string {
  const address = normalizeAddress(text);
  if (address === undefined) throw new InvalidArgumentError('write an IPv4 or IPv6 address');
  return address;
}
