/** What happens to a node: shell scripts that know `$link`, `$other`, `$from`, `$to` and `$mac` (see {@link Change}). */
export interface Incident {
  readonly name: string;
  /** From its start on time counts. */
  readonly script: string;
  /** The node goes away by this, for so long before. */
  readonly before?: { readonly script: string; readonly awayMs: number };
}

/** The names that scripts use. */
export interface Change {
  /** The link that carries the node, and a name that it does not have. */
  readonly link: string;
  readonly other: string;
  /** The node's address and another one, with their prefix lengths. */
  readonly from: string;
  readonly to: string;
  /** A hardware address. */
  readonly mac: string;
}

/** IPv6 addresses go when a link goes down: who brings it up gives them back, and the kernel proves them unique anew. */
const giveBack = 'ip address replace $from dev';
/** The node goes. */
const leave = 'ip address delete $from dev $link; ip link set $link down';

export const incidents: readonly Incident[] = [
  {
    name: 'another address',
    script: 'ip address delete $from dev $link; ip address add $to dev $link',
  },
  {
    name: 'link renamed',
    script: `ip link set $link down; ip link set $link name $other; ip link set $other up; ${giveBack} $other`,
  },
  {
    name: 'link down and up',
    script: `ip link set $link down; ip link set $link up; ${giveBack} $link`,
  },
  { name: 'bridge deleted', script: 'ip link delete weft0' },
  { name: 'vxlan deleted', script: 'ip link delete weft-vxlan' },
  { name: 'another hardware address', script: 'ip link set $link address $mac' },
  {
    name: 'back with another address',
    before: { script: leave, awayMs: 3_000 },
    script: 'ip link set $link up; ip address add $to dev $link',
  },
  // By then neighbours have given it up, and so have connections to the API.
  {
    name: 'back with the same address after 20 s',
    before: { script: leave, awayMs: 20_000 },
    script: 'ip link set $link up; ip address add $from dev $link',
  },
];
