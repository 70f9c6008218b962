import t from 'tap';
import type { SpecificationLine } from '../specification-map.ts';
import { checkLines } from '../specification-map.ts';

/*
 * Where each line of what cluster DNS must answer is shown. Sources: Kubernetes DNS-Based Service Discovery 1.1.0;
 * RFC 1034, 1035, 2181, 2308, 2782, 3596, 6891, 7766, 8020; CoreDNS where these are silent. All of the names are asked
 * for on the wire too: test/agent/names/wire.
 */
const lines: readonly SpecificationLine[] = [
  ['dns-version', ['zone-frame', 'what is in the zone whatever the cluster holds']],
  [
    "a Service's addresses, endpoints or none",
    ['service-names', 'names of a Service with an address'],
    ['../agent/names/names', 'names follow the caches'],
  ],
  [
    'NOERROR without records, NXDOMAIN, both with SOA',
    ['zone-frame', 'what is in the zone whatever the cluster holds'],
    ['service-names', 'names of a Service with an address'],
    ['headless-names', 'names of a headless Service'],
  ],
  [
    'SOA, NS with glue',
    ['zone-frame', 'what is in the zone whatever the cluster holds'],
    ['zone-frame', 'TTLs and the least of the SOA are those configured'],
    ['zone', 'every change has a serial of its own, which negative answers show too'],
  ],
  [
    'SRV of named ports with addresses; none of others',
    ['service-names', 'names of a Service with an address'],
    ['headless-names', 'names of a headless Service'],
  ],
  [
    'headless Services: ready endpoints, their names, several addresses of one, no ports',
    ['headless-names', 'names of a headless Service'],
    ['../agent/names/names', 'a headless Service follows its slices, in whatever order they come'],
  ],
  [
    'PTR, and who is asked for other addresses',
    ['reverse-names', 'reverse names'],
    ['reverse-names', 'addresses outside of the cluster are asked for elsewhere'],
    ['zone', 'a range that ends within a label is several reverse zones'],
  ],
  [
    'ExternalName, chased inside and outside',
    ['external-names', 'names of an ExternalName Service'],
    ['resolver', 'an ExternalName is followed out of the cluster'],
    ['zone', 'an alias that leads to itself is an error, not an endless search'],
  ],
  [
    'pod names: disabled, insecure, verified',
    ['pod-names', 'names of pods'],
    ['pod-names', 'pod names by mode'],
    ['../agent/names/names', 'pod names are those of pods, wherever they run'],
  ],
  [
    "case, the question's echo, rotation",
    ['zone', 'letters compare without case, and the question comes back as it was asked'],
    ['zone', 'answers are rotated, each set on its own'],
  ],
  [
    'SERVFAIL until synced, and not ready',
    ['zone', 'before the first sync nothing is said to be missing'],
    ['../agent/names/names', 'names follow the caches'],
  ],
  [
    'sizes over UDP, pipelining, idle and many connections over TCP',
    ['answer', 'an answer never exceeds what the client takes; TC says that there is more'],
    ['question', 'the client says how much it takes, within limits'],
    ['server', 'pipelined queries in one segment, and one query in segments of a byte'],
    ['server', 'silent connections end, and no more than the cap stay open'],
  ],
  [
    'NOTIMP, FORMERR, silence, answers never answered',
    ['question', 'messages that are no proper query'],
    ['question', 'refusals echo id and opcode and nothing that was not read'],
  ],
  [
    'ANY',
    ['zone', 'other classes, zone transfers and ANY'],
    ['resolver', 'ANY of other names is not passed on'],
  ],
  [
    'AXFR',
    ['zone-transfer', 'a transfer is all records of the zone, its SOA first and last'],
    [
      'zone-transfer',
      'only over TCP, only to those who are named, only the whole zone, only when it is complete',
    ],
    ['zone-transfer', 'a transfer is the zone as it was when it was asked for'],
    ['zone-transfer', 'a large zone comes in several messages, and others are served between them'],
  ],
  [
    'everything else: upstream servers',
    ['resolv-conf', 'configured servers come first, in every spelling'],
    [
      'forward',
      'a closed port, a silent server, one that refuses and one without a way to it lead to the next',
    ],
    ['forward', 'a dead server is asked last until a probe finds it alive'],
    ['forward', 'random order reaches every server'],
    ['upstreams', 'the servers of the longest stub domain answer, forwards and backwards'],
    ['upstreams', 'a server that sends our questions back to us is found out and not asked'],
  ],
  [
    'answers matched, TCP on TC, random ids and ports',
    ['forward', 'forged answers are passed over'],
    ['forward', 'an answer that does not fit is fetched over TCP'],
    ['forward', 'ids and ports differ from one question to the next'],
  ],
  [
    'cache: floor and ceiling, negative, prefetch, stale',
    ['resolver', 'lifetimes: floor, ceiling, the least of all records'],
    ['resolver', 'a negative answer says how long it holds'],
    ['resolver', 'an answer in use is fetched anew before it ends'],
    ['resolver', 'while upstream servers fail, old answers stand'],
  ],
  [
    'search path completed',
    ['autopath', 'a name outside of the cluster costs a pod one exchange'],
    ['autopath', "each domain of the search path in its turn, the node's included"],
    ['autopath', 'where no name exists, the answer is that to the question'],
    ['autopath', "only in the client's own namespace, and only for pods"],
    ['autopath', 'without the setting nothing of this happens'],
  ],
  [
    "pods' resolv.conf",
    ['../agent/pods/names', 'resolv.conf by dnsPolicy'],
    ['../agent/pods/names', 'dnsConfig adds and overrides'],
    ['../agent/pods/names', 'what is more than resolvers read is left out and told'],
  ],
  ['the DNS address answered on every node', ['../agent/names/names.root', 'port 53 of the DNS addresses']],
  [
    'changes without a query lost',
    ['zone', 'changes take effect at once, and only where they belong'],
    ['../agent/names/names', 'a change under way takes no name away'],
    ['../agent/names/worker-pool', 'sockets that somebody kept for us are used'],
  ],
];

t.test('each line is shown by tests that exist', (t) => {
  checkLines(t, lines, import.meta.url);
  t.end();
});
