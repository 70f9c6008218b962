/** An address family, by its nft and iptables names nowhere else than in {@link familyTraits}. */
export type Family = 'ipv4' | 'ipv6';

/** Everything in which the two families differ for rules. */
export interface FamilyTraits {
  readonly family: Family;
  /** Suffix of nft object names and the nft expression of an address: `ip daddr`, `ip6 daddr`. */
  readonly suffix: '4' | '6';
  readonly nftProtocol: 'ip' | 'ip6';
  readonly nftAddressType: 'ipv4_addr' | 'ipv6_addr';
  readonly nftIcmp: 'icmp' | 'icmpv6';
  /** The iptables program's name without `iptables`' own choice of back end. */
  readonly command: 'iptables' | 'ip6tables';
  /** Lists the tables of the legacy interface that this network namespace has; reading it creates none. */
  readonly legacyTables: string;
  /** Number of bits of an address. */
  readonly bits: 32 | 128;
  /** The mask of one address, as iptables writes it. */
  readonly hostMask: string;
  readonly loopback: string;
  readonly multicast: string;
  /** `--reject-with` of ports that nobody serves (RFC 1122 section 3.2.2.1, RFC 4443 section 3.1). */
  readonly portUnreachable: 'icmp-port-unreachable' | 'icmp6-port-unreachable';
  readonly icmpProtocol: 'icmp' | 'ipv6-icmp';
}

export const families: readonly FamilyTraits[] = [
  {
    family: 'ipv4',
    suffix: '4',
    nftProtocol: 'ip',
    nftAddressType: 'ipv4_addr',
    nftIcmp: 'icmp',
    command: 'iptables',
    legacyTables: '/proc/net/ip_tables_names',
    bits: 32,
    hostMask: '255.255.255.255',
    loopback: '127.0.0.0/8',
    multicast: '224.0.0.0/4',
    portUnreachable: 'icmp-port-unreachable',
    icmpProtocol: 'icmp',
  },
  {
    family: 'ipv6',
    suffix: '6',
    nftProtocol: 'ip6',
    nftAddressType: 'ipv6_addr',
    nftIcmp: 'icmpv6',
    command: 'ip6tables',
    legacyTables: '/proc/net/ip6_tables_names',
    bits: 128,
    hostMask: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
    loopback: '::1/128',
    multicast: 'ff00::/8',
    portUnreachable: 'icmp6-port-unreachable',
    icmpProtocol: 'ipv6-icmp',
  },
];

export function traitsOf(family: Family): FamilyTraits {
  const traits = families.find((each) => each.family === family);
  if (!traits) throw new TypeError(`no such family: ${family}`);
  return traits;
}
