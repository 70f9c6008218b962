import { families, familyOf } from '../../netns/ip.ts';
import type { CniDns, CniResult } from '../../cni/result.ts';
import type { MadeAttachment } from '../network/attachment.ts';
import { defaultRoutes } from '../network/pods.ts';

/** What ADD tells of an attachment: the node's end of its link first, then the container's. */
export function describeAttachment(
  { ifname, mac, ips, netns, hostLink, host }: MadeAttachment,
  gateways: readonly string[],
  dns: CniDns,
): CniResult {
  const gatewayOf = (address: string): string | undefined =>
    gateways.find((gateway) => familyOf(gateway) === familyOf(address));
  return {
    interfaces: [
      { name: hostLink, ...host },
      { name: ifname, mac, mtu: host.mtu, sandbox: netns },
    ],
    ips: ips.map((ip) => {
      const gateway = gatewayOf(ip);
      const address = `${ip}/${families[familyOf(ip)].bits}`;
      return { address, ...(gateway !== undefined && { gateway }), interface: 1 };
    }),
    routes: ips.map((ip) => {
      const gw = gatewayOf(ip);
      return { dst: defaultRoutes[familyOf(ip)], ...(gw !== undefined && { gw }) };
    }),
    dns,
  };
}
