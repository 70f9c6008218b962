import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { addressAt, parseCidr } from '../../netns/ip.ts';
import { isExplicit } from '../underlay/choice.ts';
import type { AddressWish } from '../underlay/view.ts';
import { AgentError, AgentErrors } from '../agent-error.ts';
import { parseConfigFile } from './file.ts';
import type { ConfigMistake, GivenValue } from './file.ts';
import { listRangeMistakes } from './ranges.ts';
import { environmentOf, flagOf, settingNames, settings } from './settings.ts';
import type { GivenSettings, SettingName } from './settings.ts';
import { ValueError } from './values.ts';
import type { Config, ForwardingConfig } from './config.ts';

const defaultConfigFile = '/etc/weft/weft.yaml';

export interface ConfigSources {
  /** The file a user named; it must exist. Without it the default file is read if it exists. */
  readonly file: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Values of command line flags by the name of their setting. */
  readonly flags: Partial<Record<SettingName, string>>;
  /** Finds the machine's own addresses where nobody names them. */
  readonly detectAddresses: (wish: AddressWish) => readonly string[];
}

/**
 * Puts a configuration together: file, then environment, then flags, the later one wins.
 * Throws {@link AgentErrors} with every mistake of every source at once.
 */
export function loadConfig(sources: ConfigSources): Config {
  const file = readConfigFile(sources);
  const given = [...file.values, ...listEnvironment(sources.environment), ...listFlags(sources.flags)];
  const { understood, mistakes } = parseValues(given);
  const config = withDefaults(understood, sources.detectAddresses);
  const ranges = listRangeMistakes(config.server.cluster, config.agent.nodeIPs);
  const all = [
    ...file.mistakes,
    ...mistakes,
    ...ranges.map((message) => ({ where: sources.file ?? 'configuration', message })),
  ];
  if (all.length > 0) throw new AgentErrors(all.map(toError));
  return config;
}

function toError({ where, message }: ConfigMistake): AgentError {
  return new AgentError('bad-config', `${where}: ${message}`, '');
}

function readConfigFile({ file }: ConfigSources): { values: GivenValue[]; mistakes: ConfigMistake[] } {
  const path = file ?? defaultConfigFile;
  if (file === undefined && !existsSync(path)) return { values: [], mistakes: [] };
  try {
    return parseConfigFile(path, readFileSync(path, 'utf8'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { values: [], mistakes: [{ where: path, message: `cannot be read (${reason}): check --config` }] };
  }
}

function listEnvironment(environment: ConfigSources['environment']): GivenValue[] {
  return settingNames.flatMap((name) => {
    const raw = environment[environmentOf(name)];
    return raw === undefined ? [] : [{ name, raw, where: environmentOf(name) }];
  });
}

function listFlags(flags: ConfigSources['flags']): GivenValue[] {
  return settingNames.flatMap((name) => {
    const raw = flags[name];
    return raw === undefined ? [] : [{ name, raw, where: flagOf(name) }];
  });
}

function parseValues(given: readonly GivenValue[]): { understood: GivenSettings; mistakes: ConfigMistake[] } {
  const understood: Record<string, unknown> = {};
  const mistakes: ConfigMistake[] = [];
  for (const { name, raw, where } of given) {
    try {
      understood[name] = settings[name].parse(raw);
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      mistakes.push({ where, message: error.message });
    }
  }
  return { understood, mistakes };
}

/** Debian's runtimes look in the second place, too, which exists where one of its CNI packages is installed. */
function defaultBinDirs(): string[] {
  return ['/opt/cni/bin', ...['/usr/lib/cni'].filter((directory) => existsSync(directory))];
}

function forwardingDefaults(given: GivenSettings): ForwardingConfig {
  return {
    policy: given.upstreamPolicy ?? 'sequential',
    stubDomains: given.stubDomains ?? {},
    mixCase: given.dnsMixedCase ?? false,
    cacheBytes: (given.dnsCacheMiB ?? 16) * 2 ** 20,
    minTtlSeconds: given.dnsMinTTL ?? 5,
    maxTtlSeconds: given.dnsMaxTTL ?? 3600,
    maxNegativeTtlSeconds: given.dnsMaxNegativeTTL ?? 1800,
    maxStaleSeconds: given.dnsMaxStale ?? 86_400,
  };
}

/** Fills in what nobody has said; the same for every machine, except for its name and addresses. */
function withDefaults(given: GivenSettings, detectAddresses: ConfigSources['detectAddresses']): Config {
  const stateDir = given.stateDir ?? '/var/lib/weft';
  const apiPort = given.apiPort ?? 6443;
  const serverUrl = given.server ?? `https://127.0.0.1:${apiPort}`;
  const addressing = addressWish(given, serverUrl);
  const nodeIPs = isExplicit(addressing) ? addressing.nodeIPs : detectAddresses(addressing);
  const serviceCIDRs = given.serviceCIDRs ?? ['10.96.0.0/16', 'fd00:10:96::/112'];
  const server = {
    stateDir: `${stateDir}/server`,
    listen: (given.listenAddresses ?? ['::']).map((host) => ({ host, port: apiPort })),
    advertiseAddress: given.advertiseAddress,
    nodeIPs,
    names: given.apiNames ?? [],
    cluster: {
      clusterCIDRs: given.clusterCIDRs ?? ['10.244.0.0/16', 'fd00:10:244::/56'],
      serviceCIDRs,
      nodeCIDRMaskSizes: { ipv4: given.nodeMaskIPv4 ?? 24, ipv6: given.nodeMaskIPv6 ?? 64 },
      dnsIPs: given.dnsIPs ?? serviceCIDRs.map((range) => addressAt(parseCidr(range), 10n)),
      zone: given.zone ?? 'cluster.local',
      loadBalancerPools: given.loadBalancerPools ?? [],
      nodePortRange: given.nodePortRange ?? { first: 30000, last: 32767 },
    },
  };
  const agent = {
    nodeName: given.nodeName ?? hostname().toLowerCase(),
    server: serverUrl,
    stateDir,
    runDir: given.runDir ?? '/run/weft',
    nodeIPs,
    externalIPs: given.externalIPs ?? [],
    announceInterfaces: given.announceInterfaces ?? [],
    backend: given.backend ?? 'iptables',
    nodePortAddresses: given.nodePortAddresses ?? [],
    nonMasqueradeCIDRs: given.nonMasqueradeCIDRs ?? [],
    networkMode: given.networkMode ?? 'auto',
    podLink: given.podLink ?? 'bridge',
    podMTU: given.podMTU,
    vxlan: { port: given.vxlanPort ?? 8472, vni: given.vxlanVNI ?? 117 },
    upstreams: given.upstreams ?? [],
    forwarding: forwardingDefaults(given),
    clusterDns: {
      podNames: given.podNames ?? 'verified',
      autopath: given.autopath ?? false,
      transferTo: given.zoneTransferTo ?? [],
      limits: {
        clientRate: given.dnsClientRate,
        connections: given.dnsMaxConnections ?? 512,
        waiting: given.dnsMaxWaiting ?? 1000,
      },
    },
    dnsWorkers: given.dnsWorkers ?? defaultWorkers(),
    dnsQueryLog: given.dnsQueryLog,
    cni: {
      configDir: given.cniConfigDir ?? '/etc/cni/net.d',
      binDirs: given.cniBinDirs ?? defaultBinDirs(),
    },
    port: given.agentPort ?? 10250,
    healthPort: given.healthPort ?? 10256,
    nodeLabels: given.nodeLabels ?? {},
  };
  const join = { token: given.token, tokenFile: given.tokenFile ?? `${stateDir}/server/token` };
  return { logLevel: given.logLevel ?? 'info', server, agent, join, addressing };
}

function addressWish(given: GivenSettings, server: string): AddressWish {
  return {
    nodeIPs: given.nodeIPs ?? [],
    nodeInterface: given.nodeInterface,
    advertiseAddress: given.advertiseAddress,
    // Of an IPv6 address without its brackets.
    server: new URL(server).hostname.replace(/^\[|\]$/g, ''),
  };
}

/** One answers some 100,000 queries a second; a second one also answers while the first is started again. */
function defaultWorkers(): number {
  return Math.min(Math.ceil(availableParallelism() / 4), 4);
}
