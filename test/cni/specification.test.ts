import t from 'tap';
import type { SpecificationLine } from '../specification-map.ts';
import { checkLines } from '../specification-map.ts';

/*
 * Where each line of what a CNI plugin must do is shown. Sources: the CNI specification 1.1.0 and its CONVENTIONS.md;
 * the CNI project's own plugins where these are silent.
 */
const cni = '../agent/cni/cni.root';
const answer = '../agent/cni/answer';
const leases = '../agent/cni/leases.root';
const attachment = '../agent/network/attachment.root';
const lines: readonly SpecificationLine[] = [
  [
    'the verbs and what each needs of the environment',
    ['call', 'what each verb needs'],
    [cni, 'a container runtime calls'],
  ],
  [
    'ids, network names, interface names',
    ['call', 'container ids and interface names'],
    ['network-config', 'what a configuration must be'],
  ],
  [
    'errors on stdout with code, message and details',
    [answer, 'what went wrong, in the specification’s codes'],
    ['network-config', 'the version to tell an error in'],
    [cni, 'a failed ADD leaves nothing'],
    [cni, 'without an agent'],
    [cni, 'a port of the node that another container has'],
  ],
  [
    'since which version there are CHECK, GC and STATUS',
    [cni, 'CHECK'],
    [cni, 'GC frees what is not named, of its own network'],
    ['../agent/cni/loopback.root', 'what it refuses'],
  ],
  [
    'ADD: an interface that is there is refused',
    [cni, 'ADD makes an interface and tells of it'],
    [attachment, 'an interface that somebody else made is refused and stays'],
  ],
  [
    'ADD: the result, in the version that is asked for',
    ['result', 'a result in every version'],
    [cni, 'ADD answers in the version that is asked for'],
  ],
  [
    'ADD behind another plugin: what that made is passed on',
    ['result', 'behind what another plugin made'],
    [cni, 'behind another plugin'],
  ],
  [
    'ADD that fails leaves nothing behind',
    [cni, 'a failed ADD leaves nothing'],
    [leases, 'a full disk'],
    [answer, 'an ADD whose plugin is gone is undone'],
  ],
  [
    'ADD waits for the network and for what must be in force, up to a limit, then code 11',
    [cni, 'before the network is up, and when it comes up'],
    ['../agent/network/gates', 'every gate is waited for'],
    ['../agent/network/gates', 'one that does not open is not waited for beyond the limit, and learns it'],
  ],
  [
    'DEL: idempotent, without namespace, prevResult or state',
    [cni, 'DEL of what is not there'],
    [attachment, 'detached, attached again at once, detached'],
  ],
  [
    'DEL while the daemon is down, finished later',
    [cni, 'a killed agent: DEL succeeds, and the next one finishes it'],
    [cni, 'ADD after a DEL that no agent answered'],
    [answer, 'notes: what cannot be done stays written down'],
    [answer, 'ADD finishes a DEL that was written down'],
  ],
  [
    'CHECK: the kernel, prevResult, the reservation; what others added does not matter',
    [cni, 'CHECK'],
    ['result', 'CHECK: what is ours must be in it, what is more does not matter'],
    [attachment, 'a check names what is not there, and attaching again mends it'],
  ],
  [
    'GC: frees what is not named; goes on after a failure and tells of all',
    [cni, 'GC frees what is not named, of its own network'],
    [answer, 'GC goes on after a failure and tells of all'],
    ['network-config', 'what GC shall leave'],
  ],
  [
    'STATUS: whether ADD would work; nothing left and no daemon are 50',
    [cni, 'VERSION and STATUS'],
    [cni, 'without an agent'],
    [answer, 'STATUS'],
    ['ipam', 'whether there is an address, without taking it'],
  ],
  ['VERSION', [cni, 'VERSION and STATUS'], [cni, 'without an agent']],
  [
    'calls for different containers at once',
    [cni, 'many at once'],
    [answer, 'calls for one attachment wait for each other, others do not'],
    ['ipam', 'many at once share writes and are all there'],
  ],
  [
    'a kill at any instant leaks nothing that the next start or GC does not recover',
    [
      '../e2e/cni-leaks',
      'agents and plugins that are killed leak nothing that a garbage collection does not find',
    ],
    ['ipam', 'what a write that was killed left is removed'],
    ['ipam', 'a line that a crash cut off was promised to nobody'],
    ['ipam', 'a crash between the new snapshot and the end of the old log'],
  ],
  [
    'portMappings: hostIP, both families, TCP and UDP; UDP flows are forgotten on ADD and DEL',
    ['network-config', 'portMappings'],
    [
      '../agent/host-ports/compile',
      'a port without hostIP is on every address of each family that the pod has',
    ],
    [
      '../agent/host-ports/host-ports.root',
      'a port comes with its pod, and a hostIP that the node lacks is told',
    ],
    ['../agent/host-ports/ready.root', 'the same UDP flow'],
    [attachment, 'a port of the node that is somebody else’s is refused, and who has it is named'],
  ],
  [
    'ips',
    ['network-config', 'ips'],
    [cni, 'what runtimes ask for'],
    [attachment, 'addresses that were asked for'],
  ],
  ['mac', ['network-config', 'mac'], [cni, 'a hardware address, in every way to ask for one']],
  [
    'bandwidth',
    ['network-config', 'bandwidth'],
    ['../agent/network/bandwidth', 'buckets'],
    ['../agent/network/bandwidth.root', 'nothing goes faster, and from inside nobody changes that'],
  ],
  ['dns', ['network-config', 'dns'], [cni, 'what runtimes ask for']],
  [
    'ipRanges',
    ['network-config', 'ipRanges'],
    [cni, 'what runtimes ask for'],
    ['pool', 'only out of parts of the range'],
  ],
  [
    'an address is not soon used again, and is announced',
    ['pool', 'it walks round before an address comes back'],
    ['pool', 'an address rests after it was given back'],
    [cni, 'ADD after a DEL that no agent answered'],
    ['../agent/network/pod-links.root', 'the bridge knows where a new pod is before it says a word'],
  ],
  [
    'leases of before a reboot are dropped',
    ['ipam', 'leases of an earlier boot belong to nobody, and the walk goes on'],
    [leases, 'after the machine started again nobody has an address, and the walk goes on'],
  ],
  [
    'leases outlive a crash and a full disk',
    ['ipam', 'a lease is on disk before it is told to be'],
    ['ipam', 'a disk that refuses is told to everybody who waits, and the next try is a new one'],
    [leases, 'a full disk'],
  ],
  [
    'a conflist, whole, once the network is ready; away with cleanup',
    [cni, 'before the network is up, and when it comes up'],
    ['../e2e/up', 'runtimes are told no more'],
  ],
  [
    'real runtimes',
    ['../e2e/runtimes', 'containerd gives a sandbox its network'],
    ['../e2e/runtimes', 'podman gives a container its network'],
    ['../agent/cni/loopback.root', 'the plugin that containerd wants beside the network'],
  ],
  [
    'leases are shown, audited and freed by hand',
    ['../agent/ipam/audit', 'each difference, and what to do about it'],
    ['../e2e/ipam', 'with an agent: what differs is found'],
    ['../e2e/ipam', 'without an agent'],
  ],
];

t.test('each line is shown by tests that exist', (t) => {
  checkLines(t, lines, import.meta.url);
  t.end();
});
