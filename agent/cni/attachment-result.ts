import { families, familyOf } from '../../netns/ip.ts';
import type { Link } from '../../netns/link.ts';
import type { CniDns, CniResult } from '../../cni/result.ts';
import type { Attachment } from '../network/attachment.ts';
import { defaultRoutes } from '../network/pods.ts';

/** What ADD tells of an attachment: the node's end of its link first, then the container's. */
export function describeAttachment(
  { ifname, mac, ips, netns, hostLink }: Attachment,
  gateways: readonly string[],
  { host, dns }: { readonly host: Pick<Link, 'mac' | 'mtu'> | undefined; readonly dns: CniDns },
): CniResult {
  const gatewayOf = (address: string): string | undefined =>
    gateways.find((gateway) => familyOf(gateway) === familyOf(address));
  return {
    interfaces: [
      { name: hostLink, ...(host && { mac: host.mac, mtu: host.mtu }) },
      { name: ifname, mac, ...(host && { mtu: host.mtu }), sandbox: netns },
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
