import { execFileSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import t from 'tap';
import { LinkFinder } from '../../../agent/announce/links.ts';
import { Responder } from '../../../agent/announce/responder.ts';
import { decodeArp } from '../../../netns/arp.ts';
import { ETH_P_ARP } from '../../../netns/ethernet.ts';
import { createLink, getLink, listLinks, setLink } from '../../../netns/link.ts';
import { createNamespace, removeNamespace, runInNamespace } from '../../../netns/namespace.ts';
import { NetlinkSocket } from '../../../netns/netlink.ts';
import { PacketSocket } from '../../../netns/packet-socket.ts';
import { skipUnlessRoot } from '../../root.ts';
import { silent } from '../api-fixture.ts';

const name = `weft-test${process.pid}-responder`;
const address = '192.0.2.16';

if (skipUnlessRoot(t)) {
  createNamespace(name).close();
  t.teardown(() => removeNamespace(name));
  using socket = new NetlinkSocket({ namespace: name });
  const peer = { name: 'client' };
  socket.request([
    createLink('node', { kind: 'veth', peer }),
    setLink('node', { up: true }),
    setLink('client', { up: true }),
  ]);
  const responder = new Responder({
    mayAnswer: () => true,
    onClaim: () => undefined,
    onAnswer: () => undefined,
    log: silent,
  });
  t.teardown(() => responder.close());
  const listen = (addresses: readonly string[]): void => {
    const view = { links: listLinks(socket), addresses: [], nodeIPs: [], names: ['node'] };
    const links = new LinkFinder(view);
    runInNamespace(name, () => {
      responder.set(new Map(addresses.map((each) => [each, links.find(each)])));
    });
  };

  await t.test('a link that gets another hardware address: the neighbours are told', async (t) => {
    const heard = new EventEmitter();
    const { ifindex } = getLink(socket, 'client');
    const onFrame = (frame: Buffer): void => void heard.emit('claim', decodeArp(frame)?.sender);
    using _ = runInNamespace(name, () => new PacketSocket({ ifindex, etherType: ETH_P_ARP, onFrame }));
    listen([address]);
    const mac = '02:00:5e:00:53:99';
    socket.request([setLink('node', { mac })]);
    listen([address]);
    t.strictSame(await once(heard, 'claim'), [{ mac, address }]);
  });

  await t.test('thousands of IPv6 addresses have their groups', (t) => {
    const many = Array.from({ length: 3_000 }, (_, index) => `2001:db8::${(index + 1).toString(16)}`);
    listen(many);
    const groups = (): number =>
      runInNamespace(name, () => execFileSync('cat', ['/proc/net/igmp6'], { encoding: 'utf8' }))
        .split('\n')
        .filter((line) => /node\s+ff0200000000000000000001ff000/.test(line)).length;
    t.ok(groups() >= many.length, 'all are joined');
    listen(many.slice(0, 10));
    t.equal(groups(), 10, 'and left');
    t.end();
  });
}
