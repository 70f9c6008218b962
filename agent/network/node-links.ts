import { families, parseCidr } from '../../netns/ip.ts';
import type { DesiredLink, LinkAddress } from '../../netns/state.ts';
import * as marks from './marks.ts';
import type { NetworkView, PodRange } from './view.ts';

/** The longest packets, in bytes: of pods, and of what goes into the vxlan. */
interface LinkMtus {
  readonly pods: number;
  readonly tunnel: number;
}

/**
 * Neither has a link-local address: the bridge has it that the kernel sends no IPv6 redirects (which pods would
 * follow to each other, past the Services' rules), the vxlan that no packet of its own ever goes out.
 */
export function nodeLinks({ nodeName, nodeIPs, vxlan }: NetworkView, mtu: LinkMtus): DesiredLink[] {
  const shared = { up: true, linkLocal: false };
  const { bridgeName, bridgeAlias, vxlanName, vxlanAlias } = marks;
  const local = nodeIPs[0] ?? '';
  return [
    {
      ...shared,
      name: bridgeName,
      alias: bridgeAlias,
      kind: 'bridge',
      mtu: mtu.pods,
      mac: marks.bridgeMac(nodeName),
    },
    {
      ...shared,
      name: vxlanName,
      alias: vxlanAlias,
      kind: 'vxlan',
      mtu: mtu.tunnel,
      mac: marks.vxlanMac(nodeName),
      vxlan: { vni: vxlan.vni, port: vxlan.port, local },
    },
  ];
}

/**
 * The gateway is on the bridge with its range, and once more alone on the vxlan: so what the node masquerades
 * into the overlay has an address of the node's range too, and its answers come back the same way.
 */
export function nodeAddresses({ family, cidr, gateway: address }: PodRange): LinkAddress[] {
  const shared = { address, protocol: marks.protocol, passive: false };
  return [
    { ...shared, link: marks.bridgeName, prefix: parseCidr(cidr).prefix },
    { ...shared, link: marks.vxlanName, prefix: families[family].bits },
  ];
}
