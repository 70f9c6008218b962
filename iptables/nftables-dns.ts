import { dnsDeafSeconds } from './model.ts';
import { forFamilies, hook } from './nftables-chain.ts';
import type { SkeletonChain } from './nftables-chain.ts';

/** How packets to and from the DNS addresses pass by connection tracking, and what else they may do. */
export function listDnsChains(dnsFallback: boolean): SkeletonChain[] {
  return [
    ...rawHooks(dnsFallback),
    ...(dnsFallback ? fallbackChains() : [queryChain('dns-query', 'notrack')]),
    ...ownChains(),
  ];
}

/** Every packet of the node comes by here: whatever is no DNS costs it two comparisons. */
function rawHooks(dnsFallback: boolean): SkeletonChain[] {
  const rules = (query: string): string[] => [`th dport 53 jump ${query}`, 'th sport 53 jump dns-answer'];
  return [
    hook('notrack-prerouting', 'filter', 'prerouting', 'raw', rules('dns-query')),
    hook('notrack-output', 'filter', 'output', 'raw', rules(dnsFallback ? 'dns-own-query' : 'dns-query')),
  ];
}

function queryChain(name: string, statement: string): SkeletonChain {
  const rules = forFamilies(({ suffix, nftProtocol: ip }) => [
    `${ip} daddr @dns${suffix} meta l4proto { tcp, udp } ${statement}`,
  ]);
  return { name, hook: '', rules };
}

/** A query for which nobody listens here is tracked like one to any Service, and led to another node as such. */
function fallbackChains(): SkeletonChain[] {
  return [
    queryChain('dns-query', 'jump dns-here'),
    {
      name: 'dns-here',
      hook: '',
      rules: [
        // A socket on every address is not the cluster's DNS.
        'meta l4proto udp socket wildcard 0 notrack return',
        'meta l4proto tcp socket wildcard 1 goto dns-elsewhere',
        // Of connections that are just made, or over, the kernel tells only this (nft_socket_eval).
        'meta l4proto tcp socket transparent 0 notrack return',
        'goto dns-elsewhere',
      ],
    },
    {
      name: 'dns-elsewhere',
      hook: '',
      rules: forFamilies(({ suffix, nftProtocol: ip }) => [
        `update @dns-deaf${suffix} { ${ip} daddr timeout ${String(dnsDeafSeconds)}s }`,
      ]),
    },
    {
      // Going out, a packet's socket is its sender's: what its receiver is like was noted where packets come in.
      name: 'dns-own-query',
      hook: '',
      rules: forFamilies(({ suffix, nftProtocol: ip }) => [
        `${ip} daddr @dns${suffix} ${ip} daddr != @dns-deaf${suffix} meta l4proto { tcp, udp } notrack`,
      ]),
    },
  ];
}

function ownChains(): SkeletonChain[] {
  return [
    {
      name: 'dns-answer',
      hook: '',
      rules: forFamilies(({ suffix, nftProtocol: ip }) => [
        `${ip} saddr @dns${suffix} meta l4proto { tcp, udp } notrack`,
      ]),
    },
    {
      // Only port 53 (and ping) of the DNS address is for others: the node's other listeners are not.
      name: 'dns-only',
      hook: '',
      rules: [
        'meta l4proto { tcp, udp } th dport 53 accept',
        'meta l4proto { icmp, icmpv6 } return',
        // What another node answers a process of this one, which has this address by then.
        'ct state established return',
        'goto refuse',
      ],
    },
  ];
}
