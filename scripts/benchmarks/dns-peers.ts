import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { foreignRecords, foreignZone, numbers, recordsOf, ttlSeconds, zone } from './dns-data.ts';
import type { ZoneRecord } from './dns-data.ts';

/** What a server is to do. */
export interface Duty {
  readonly port: number;
  /** How many Services' names it serves; 0: none. */
  readonly services: number;
  /** Threads that answer. */
  readonly threads: number;
  /** It forwards to, and caches from, the server at this port. */
  readonly upstreamPort?: number;
  /** It serves the names outside of the cluster, as the upstream server of others. */
  readonly foreign?: boolean;
}

/** A DNS server that others made. */
export interface Peer {
  readonly name: string;
  /** Writes its configuration into a directory of its own and says how it is started, in the foreground. */
  configure(directory: string, duty: Duty): readonly string[];
}

const reverseZone = '10.in-addr.arpa';
const authority = `ns.dns.${zone}. hostmaster.${zone}. 1 7200 1800 86400 ${ttlSeconds}`;

interface ZoneFile {
  readonly name: string;
  readonly file: string;
}

function recordsFor({ services }: Duty): ZoneRecord[] {
  return numbers(services).flatMap(recordsOf);
}

/** Zone files as RFC 1035 has them. */
function writeZones(directory: string, duty: Duty): ZoneFile[] {
  const records = [...recordsFor(duty), ...(duty.foreign ? foreignRecords() : [])];
  const names = [...(duty.services > 0 ? [zone, reverseZone] : []), ...(duty.foreign ? [foreignZone] : [])];
  return names.map((name) => {
    const lines = [
      `$ORIGIN .`,
      `$TTL ${name === foreignZone ? 3600 : ttlSeconds}`,
      `${name}. SOA ${authority}`,
      `${name}. NS ns.dns.${zone}.`,
      ...(name === zone ? [`ns.dns.${zone}. A 10.96.0.10`] : []),
      ...records
        .filter((record) => record.name.endsWith(`.${name}`))
        .map((record) => `${record.name}. ${record.type} ${record.data}`),
    ];
    const file = join(directory, `${name}.zone`);
    writeFileSync(file, `${lines.join('\n')}\n`);
    return { name, file };
  });
}

function write(directory: string, name: string, lines: readonly string[]): string {
  const file = join(directory, name);
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

export const knot: Peer = {
  name: 'knot',
  configure(directory, duty) {
    const zones = writeZones(directory, duty);
    const file = write(directory, 'knot.conf', [
      'server:',
      `    rundir: "${directory}"`,
      `    listen: 127.0.0.1@${duty.port}`,
      `    udp-workers: ${duty.threads}`,
      '    tcp-workers: 1',
      '    background-workers: 1',
      'database:',
      `    storage: "${directory}"`,
      'zone:',
      ...zones.flatMap(({ name, file }) => [
        `  - domain: ${name}`,
        `    file: "${file}"`,
        '    zonefile-sync: -1',
        '    journal-content: none',
      ]),
    ]);
    return ['knotd', '--config', file];
  },
};

export const unbound: Peer = {
  name: 'unbound',
  configure(directory, duty) {
    const records = recordsFor(duty);
    const local = [zone, reverseZone].flatMap((name) => [
      `  local-zone: "${name}." static`,
      `  local-data: "${name}. ${ttlSeconds} SOA ${authority}"`,
    ]);
    const file = write(directory, 'unbound.conf', [
      'server:',
      '  interface: 127.0.0.1',
      `  port: ${duty.port}`,
      `  num-threads: ${duty.threads}`,
      '  so-reuseport: yes',
      '  do-daemonize: no',
      '  chroot: ""',
      '  username: ""',
      `  directory: "${directory}"`,
      `  pidfile: "${join(directory, 'unbound.pid')}"`,
      '  use-syslog: no',
      `  logfile: "${join(directory, 'unbound.log')}"`,
      '  module-config: "iterator"',
      '  do-not-query-localhost: no',
      '  do-ip6: no',
      // .test and 10.in-addr.arpa are empty by default.
      '  unblock-lan-zones: yes',
      `  local-zone: "test." nodefault`,
      ...(duty.services > 0 ? local : []),
      ...records.map(({ name, type, data }) => `  local-data: "${name}. ${ttlSeconds} ${type} ${data}"`),
      ...(duty.upstreamPort === undefined
        ? []
        : ['forward-zone:', '  name: "."', `  forward-addr: 127.0.0.1@${duty.upstreamPort}`]),
    ]);
    return ['unbound', '-d', '-c', file];
  },
};

export const dnsmasq: Peer = {
  name: 'dnsmasq',
  configure(directory, duty) {
    const records = recordsFor(duty);
    const hosts = write(
      directory,
      'hosts',
      records.filter(({ type }) => type === 'A').map(({ name, data }) => `${data} ${name}`),
    );
    const file = write(directory, 'dnsmasq.conf', [
      `port=${duty.port}`,
      'listen-address=127.0.0.1',
      'bind-interfaces',
      'no-resolv',
      'no-hosts',
      `pid-file=${join(directory, 'dnsmasq.pid')}`,
      'user=root',
      `local-ttl=${ttlSeconds}`,
      'cache-size=10000',
      'dns-forward-max=1000',
      ...(duty.services > 0 ? [`addn-hosts=${hosts}`, `local=/${zone}/`, `local=/${reverseZone}/`] : []),
      ...records.filter(({ type }) => type === 'SRV').map(renderDnsmasqService),
      ...records
        .filter(({ type }) => type === 'PTR')
        .map(({ name, data }) => `ptr-record=${name},${data.slice(0, -1)}`),
      ...(duty.upstreamPort === undefined ? [] : [`server=127.0.0.1#${duty.upstreamPort}`]),
    ]);
    return ['dnsmasq', '--keep-in-foreground', `--conf-file=${file}`];
  },
};

function renderDnsmasqService({ name, data }: ZoneRecord): string {
  const [priority = '', weight = '', port = '', target = ''] = data.split(' ');
  return `srv-host=${name},${target.slice(0, -1)},${port},${priority},${weight}`;
}

export const bind: Peer = {
  name: 'BIND',
  configure(directory, duty) {
    const zones = writeZones(directory, duty);
    const forwarding =
      duty.upstreamPort === undefined
        ? ['  recursion no;']
        : [
            '  recursion yes;',
            '  forward only;',
            `  forwarders { 127.0.0.1 port ${duty.upstreamPort}; };`,
            '  dnssec-validation no;',
            '  empty-zones-enable no;',
          ];
    const file = write(directory, 'named.conf', [
      'options {',
      `  directory "${directory}";`,
      `  pid-file "${join(directory, 'named.pid')}";`,
      `  listen-on port ${duty.port} { 127.0.0.1; };`,
      '  listen-on-v6 { none; };',
      '  minimal-responses no-auth;',
      ...forwarding,
      '};',
      'controls { };',
      ...zones.map(({ name, file }) => `zone "${name}" { type primary; file "${file}"; };`),
    ]);
    return ['named', '-f', '-n', String(duty.threads), '-c', file];
  },
};

/** CoreDNS as a cluster runs it: its kubernetes plugin over an API, or forwarding with its cache. */
export function coredns(program: string, kubeconfig?: string): Peer {
  return {
    name: 'CoreDNS',
    configure(directory, { port, threads, upstreamPort }) {
      const kubernetes = [
        `  kubernetes ${zone} ${reverseZone} {`,
        `    kubeconfig ${kubeconfig}`,
        `    ttl ${ttlSeconds}`,
        '  }',
      ];
      const file = write(directory, 'Corefile', [
        `.:${port} {`,
        '  bind 127.0.0.1',
        ...(kubeconfig === undefined ? [] : kubernetes),
        ...(upstreamPort === undefined ? [] : [`  forward . 127.0.0.1:${upstreamPort}`, '  cache 3600']),
        '}',
      ]);
      return ['env', `GOMAXPROCS=${threads}`, program, '-conf', file];
    },
  };
}
