import t from 'tap';
import { guardSources } from '../../../agent/network/source-guard.ts';
import { encodeArp } from '../../../netns/arp.ts';
import { broadcastMac, encodeFrame } from '../../../netns/ethernet.ts';
import type { FilterInstruction } from '../../../netns/bpf.ts';
import { TC_ACT_SHOT, TC_ACT_UNSPEC } from '../../../netns/ingress-filter.ts';
import { encodeNeighborMessage } from '../../../netns/neighbor-discovery.ts';
import { udpFrame } from './frames.ts';

const mac = '02:00:00:00:00:02';
const other = '02:00:00:00:00:03';
const node = '02:00:00:00:00:01';
const [v4, v6] = ['10.244.1.2', 'fd00:10:244:1::2'];

/** Classic BPF as linux/filter.h describes it, as far as the guard uses it; a load past the end returns 0. */
function interpret(program: readonly FilterInstruction[], frame: Buffer, tagged = false): number {
  let accumulator = 0;
  for (let at = 0; at < program.length; at += 1) {
    const { code, value, jumpTrue = 0, jumpFalse = 0 } = program[at] as FilterInstruction;
    const width = { 0x20: 4, 0x28: 2, 0x30: 1 }[code];
    if (code === 0x06) return value;
    if (code === 0x15) at += accumulator === value ? jumpTrue : jumpFalse;
    else if (width === undefined) throw new Error(`unknown instruction ${code}`);
    else if (value >= 0xffff_f000) accumulator = Number(tagged);
    else if (value + width > frame.length) return 0;
    else accumulator = frame.readUIntBE(value, width);
  }
  throw new Error('the program has no end');
}

const program = guardSources({ mac, ips: [v4, v6] });
const passes = (frame: Buffer, tagged = false): boolean =>
  interpret(program, frame, tagged) === TC_ACT_UNSPEC;
const datagram = { sourceMac: mac, destinationMac: node, destination: '10.96.0.10', port: 53 };

const arp = (frameMac: string, senderMac: string, address: string): Buffer => {
  const target = { mac: node, address: '10.244.1.1' };
  const frame = encodeArp(broadcastMac, { operation: 'reply', sender: { mac: senderMac, address }, target });
  Buffer.from(frameMac.replaceAll(':', ''), 'hex').copy(frame, 6);
  return frame;
};
const advertisement = (linkAddress: string, source: string, target: string): Buffer =>
  encodeNeighborMessage(
    { source: mac, destination: '33:33:00:00:00:01' },
    { type: 'advertisement', source, destination: 'ff02::1', target, linkAddress, override: true },
  );

const cases: Record<string, [Buffer, boolean]> = {
  'its IPv4 address': [udpFrame({ ...datagram, source: v4 }), true],
  'its IPv6 address': [udpFrame({ ...datagram, source: v6, destination: 'fd00::1' }), true],
  "another's IPv4 address": [udpFrame({ ...datagram, source: '10.244.1.3' }), false],
  'no IPv4 address': [udpFrame({ ...datagram, source: '0.0.0.0' }), false],
  "another's IPv6 address": [
    udpFrame({ ...datagram, source: 'fd00:10:244:1::3', destination: 'fd00::1' }),
    false,
  ],
  'an IPv6 address that begins like its own': [
    udpFrame({ ...datagram, source: 'fd00:10:244:1::1:2', destination: 'fd00::1' }),
    false,
  ],
  'a link-local address': [udpFrame({ ...datagram, source: 'fe80::2', destination: 'fd00::1' }), false],
  "another's hardware address": [udpFrame({ ...datagram, source: v4, sourceMac: other }), false],
  'ARP for itself': [arp(mac, mac, v4), true],
  'ARP for another': [arp(mac, mac, '10.244.1.1'), false],
  "ARP with another's hardware address": [arp(mac, other, v4), false],
  "ARP in another's frame": [arp(other, mac, v4), false],
  'an advertisement of itself': [advertisement(mac, v6, v6), true],
  'an advertisement of another': [advertisement(mac, v6, 'fd00:10:244:1::1'), false],
  "an advertisement of another's hardware address": [advertisement(other, v6, v6), false],
  'an advertisement by another': [advertisement(mac, 'fd00:10:244:1::3', v6), false],
  'something that is neither IP nor ARP': [
    encodeFrame({ destination: node, source: mac, type: 0x88cc }, Buffer.alloc(46)),
    false,
  ],
};
for (const [what, [frame, expected]] of Object.entries(cases)) {
  t.test(`${what}: ${expected ? 'passes' : 'is dropped'}`, (t) => {
    t.equal(passes(frame), expected);
    t.notOk(passes(frame, true), 'with a VLAN tag never');
    t.end();
  });
}

t.test('a pod of one family sends nothing of the other', (t) => {
  const only = guardSources({ mac, ips: [v4] });
  t.equal(interpret(only, udpFrame({ ...datagram, source: v4 })), TC_ACT_UNSPEC);
  t.equal(interpret(only, udpFrame({ ...datagram, source: v6, destination: 'fd00::1' })), TC_ACT_SHOT);
  t.end();
});
