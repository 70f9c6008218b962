import { decodeAttributes } from '../netns/message.ts';
import { NETLINK_NETFILTER, NetlinkSocket } from '../netns/netlink.ts';

/** linux/netfilter/nfnetlink.h and nf_tables.h */
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_GETGEN = 16;
const NFTA_GEN_ID = 1;

/**
 * The number that nf_tables counts up with each transaction in this network namespace, whoever makes it, iptables-nft
 * included: the cheap answer to "has anybody touched the rules?" (some 50 µs).
 * @throws KernelError when the kernel has no nf_tables
 */
export function readGeneration(): number {
  using socket = new NetlinkSocket({ protocol: NETLINK_NETFILTER });
  const answer = socket.get({
    type: (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN,
    flags: 0,
    // struct nfgenmsg: any family, version 0.
    payload: Buffer.alloc(4),
    name: 'NFT_MSG_GETGEN',
    about: 'nftables',
  });
  const id = decodeAttributes(answer, 4).get(NFTA_GEN_ID);
  if (!id) throw new RangeError('NFT_MSG_GETGEN: an answer without a generation id');
  return id.readUInt32BE(0);
}
