import { decodeAttributes, decodeString } from '../netns/message.ts';
import type { NetlinkSocket } from '../netns/netlink.ts';
import { NFNL_SUBSYS_NFTABLES } from '../netns/nf-tables.ts';

/** linux/netfilter/nf_tables.h */
const NFT_MSG_GETGEN = 16;
const NFTA_GEN_ID = 1;
const NFTA_GEN_PROC_PID = 2;
const NFTA_GEN_PROC_NAME = 3;

/** One state of all nf_tables rules of a network namespace. */
export interface Generation {
  /** Counts up by one with each transaction, whoever makes it, iptables-nft included; 32 bits. */
  readonly id: number;
  /** In a notification: the process that made it. As an answer: the process that asks. */
  readonly process: {
    /** The thread's number in the machine's first PID namespace, whichever the reader is in. */
    readonly pid: number;
    readonly name: string;
  };
}

/** Decodes the payload of NFT_MSG_NEWGEN. */
export function decodeGeneration(payload: Buffer): Generation {
  const attributes = decodeAttributes(payload, 4);
  const id = attributes.get(NFTA_GEN_ID);
  if (!id) throw new RangeError('NFT_MSG_NEWGEN: no generation id');
  const name = attributes.get(NFTA_GEN_PROC_NAME);
  return {
    id: id.readUInt32BE(0),
    process: {
      pid: attributes.get(NFTA_GEN_PROC_PID)?.readUInt32BE(0) ?? 0,
      name: name ? decodeString(name) : '',
    },
  };
}

/**
 * Asks for the generation that stands now.
 * @throws KernelError when the kernel has no nf_tables
 */
export function askGeneration(socket: NetlinkSocket): Generation {
  return decodeGeneration(
    socket.get({
      type: (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN,
      flags: 0,
      // struct nfgenmsg: any family, version 0.
      payload: Buffer.alloc(4),
      name: 'NFT_MSG_GETGEN',
      about: 'nftables',
    }),
  );
}
