import { decodeAttributes, decodeString } from '../netns/message.ts';
import type { Attributes } from '../netns/message.ts';
import { NFNL_SUBSYS_NFTABLES } from '../netns/nf-tables.ts';
import { hooks, tables } from './iptables-skeleton.ts';
import { table as ownTable } from './nftables-banks.ts';

/** linux/netfilter/nf_tables.h: what a transaction can have done. */
const NFT_MSG_DELTABLE = 2;
const NFT_MSG_NEWCHAIN = 3;
const NFT_MSG_DELCHAIN = 5;
const NFT_MSG_NEWRULE = 6;
const NFT_MSG_DELRULE = 8;
/** Every kind of object names its table in its first attribute. */
const NFTA_OBJECT_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_RULE_CHAIN = 2;

/** linux/netfilter.h */
const familyNames: Readonly<Record<number, string>> = { 1: 'inet', 2: 'ip', 10: 'ip6' };

/**
 * Whether a notification of nf_tables is about rules of ours, of either backend: our own table, our chains in the
 * tables of iptables-nft, or the jumps into them. Rules that others add to the kernel's chains are theirs.
 * @param type the netlink message's type
 * @param payload a struct nfgenmsg and attributes
 */
export function concernsOurs(type: number, payload: Buffer): boolean {
  if (type >> 8 !== NFNL_SUBSYS_NFTABLES) return false;
  const family = familyNames[payload[0] ?? 0];
  if (family === undefined) return false;
  const attributes = decodeAttributes(payload, 4);
  const table = text(attributes, NFTA_OBJECT_TABLE);
  if (`${family} ${table}` === ownTable) return true;
  const iptablesTable = family === 'inet' ? undefined : tables.find((each) => each === table);
  if (!iptablesTable) return false;
  const isHook = (chain: string): boolean => hooks[iptablesTable].some((hook) => hook.chain === chain);
  switch (type & 0xff) {
    case NFT_MSG_DELTABLE:
      return true;
    case NFT_MSG_NEWRULE:
      return isOurs(text(attributes, NFTA_RULE_CHAIN));
    case NFT_MSG_DELRULE:
      return isOurs(text(attributes, NFTA_RULE_CHAIN)) || isHook(text(attributes, NFTA_RULE_CHAIN));
    case NFT_MSG_NEWCHAIN:
      return isOurs(text(attributes, NFTA_CHAIN_NAME));
    case NFT_MSG_DELCHAIN:
      return isOurs(text(attributes, NFTA_CHAIN_NAME)) || isHook(text(attributes, NFTA_CHAIN_NAME));
    default:
      return false;
  }
}

function isOurs(chain: string): boolean {
  return chain.startsWith('WEFT-');
}

function text(attributes: Attributes, type: number): string {
  const value = attributes.get(type);
  return value ? decodeString(value) : '';
}
