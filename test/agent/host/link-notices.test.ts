import t from 'tap';
import { LinkNotices } from '../../../agent/host/link-notices.ts';
import { bridgeAlias, goneAlias, limiterAlias, podAlias } from '../../../agent/network/marks.ts';
import type { Link } from '../../../netns/link.ts';
import { RTM_DELLINK, RTM_NEWLINK, setLink } from '../../../netns/link.ts';
import { encodeAttribute } from '../../../netns/message.ts';
import { RTM_DELNETCONF, RTM_NEWNETCONF } from '../../../netns/netconf.ts';

const plain = { kind: '', up: true, mtu: 1500, mac: '', master: 0, group: 0, peer: 0, isolated: false };
const eth0: Link = { ...plain, ifindex: 2, name: 'eth0', alias: '', linkLocal: true };
const bridge: Link = { ...plain, ifindex: 3, name: 'weft0', alias: bridgeAlias, linkLocal: true };
const pod: Link = { ...plain, ifindex: 7, name: 'weft1', alias: podAlias('a'), linkLocal: true };
const known = new Map([eth0, bridge].map((link) => [link.ifindex, link]));

type Notice = readonly [type: number, payload: Buffer];

/** As the kernel tells of it: a request to set all of it is of the same form. */
const link = (type: number, { ifindex, name, alias, mtu, up, group }: Link): Notice => [
  type,
  setLink(ifindex, { name, alias, mtu, up, group }).payload,
];
const settings = (type: number, ifindex: number): Notice => {
  const value = Buffer.alloc(4);
  value.writeInt32LE(ifindex);
  return [type, Buffer.concat([Buffer.from([2, 0, 0, 0]), encodeAttribute(1, value)])];
};

function isToLookAt(...told: Notice[]): boolean {
  const notices = new LinkNotices();
  for (const [type, payload] of told) notices.note(type, payload);
  const answer = notices.take(known);
  if (notices.take(known)) throw new Error('it is told once');
  return answer;
}

t.test('what is worth a look', (t) => {
  const cases: Record<string, Notice[]> = {
    'another link': [link(RTM_NEWLINK, { ...eth0, ifindex: 9, name: 'eth1' })],
    'another name': [link(RTM_NEWLINK, { ...eth0, name: 'lan0' })],
    'a link that is gone': [link(RTM_DELLINK, eth0)],
    'another link of ours': [link(RTM_NEWLINK, { ...bridge, ifindex: 9, name: 'weft-vxlan' })],
    'settings of a link': [settings(RTM_NEWNETCONF, 2)],
    'settings of all links': [settings(RTM_NEWNETCONF, -1)],
    "settings of a pod's link that has long been there": [settings(RTM_NEWNETCONF, 7)],
    'all of it among pods': [link(RTM_NEWLINK, pod), link(RTM_DELLINK, eth0), link(RTM_NEWLINK, pod)],
  };
  for (const [what, told] of Object.entries(cases)) t.ok(isToLookAt(...told), what);
  const overrun = new LinkNotices();
  overrun.alarm();
  t.ok(overrun.take(known), 'notices that were lost');
  t.end();
});

t.test('what is not', (t) => {
  const gone = { ...pod, alias: goneAlias, group: 117_117 };
  const limiter = { ...pod, ifindex: 8, name: 'weft-1', alias: limiterAlias('a') };
  const cases: Record<string, Notice[]> = {
    nothing: [],
    'traffic of a link, or its carrier': [link(RTM_NEWLINK, eth0)],
    'a pod that comes, in steps': [
      settings(RTM_NEWNETCONF, 7),
      link(RTM_NEWLINK, { ...pod, alias: '', up: false }),
      link(RTM_NEWLINK, pod),
    ],
    'the link where what it sends waits': [
      settings(RTM_NEWNETCONF, 8),
      link(RTM_NEWLINK, { ...limiter, alias: '' }),
      link(RTM_NEWLINK, limiter),
    ],
    'a pod that goes': [link(RTM_NEWLINK, gone), settings(RTM_DELNETCONF, 7), link(RTM_DELLINK, gone)],
    'one whose namespace was taken away': [settings(RTM_DELNETCONF, 7), link(RTM_DELLINK, pod)],
  };
  for (const [what, told] of Object.entries(cases)) t.notOk(isToLookAt(...told), what);
  const port = setLink(eth0.ifindex, { mtu: 1400 }).payload;
  port.writeUInt8(7, 0);
  t.notOk(new LinkNotices().note(RTM_NEWLINK, port), 'as a port of a bridge (AF_BRIDGE)');
  t.end();
});
