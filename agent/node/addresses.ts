import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

/** Interfaces made for containers and tunnels: their addresses are not the node's. */
const notTheNodes = /^(lo|weft|veth|docker|br-|virbr|cni|flannel|vxlan|tun|tap|wg)/;

/**
 * The interface of the IPv4 default route from the text of /proc/net/route, if there is one.
 * Columns: interface, destination, gateway … in hexadecimal; destination 00000000 is the default route.
 */
export function parseDefaultInterface(procNetRoute: string): string | undefined {
  const rows = procNetRoute.split('\n').slice(1);
  const byDefault = rows.map((row) => row.split('\t')).find((columns) => columns[1] === '00000000');
  return byDefault?.[0];
}

/** This machine's own global addresses, at most one per family, those of the default route's interface first. */
export function listNodeAddresses(): string[] {
  const preferred = parseDefaultInterface(readFileSync('/proc/net/route', 'utf8'));
  const interfaces = Object.entries(networkInterfaces())
    .filter(([name]) => !notTheNodes.test(name))
    .sort(([left], [right]) => Number(right === preferred) - Number(left === preferred));
  const addresses = interfaces.flatMap(([, list]) => list ?? []);
  return (['IPv4', 'IPv6'] as const).flatMap((family) => {
    const own = addresses.find(
      (each) => each.family === family && !each.internal && !each.address.startsWith('fe80:'),
    );
    return own ? [own.address] : [];
  });
}
