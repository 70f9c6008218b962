import { isErrno, KernelError } from '../../netns/kernel-error.ts';
import type { Link } from '../../netns/link.ts';
import { vxlanName } from './marks.ts';
import { NetworkError } from './network-error.ts';
import type { Tunnel } from './tunnel.ts';

/**
 * Where somebody else is in the way of the vxlan device, one error that says who and what to do, instead of what the
 * kernel refused for want of the device: links, addresses and ways in their dozens.
 * @param links all that there are
 */
export function explainErrors(errors: readonly Error[], tunnel: Tunnel, links: readonly Link[]): Error[] {
  const trouble = findTrouble(errors, tunnel, links);
  if (trouble === undefined) return [...errors];
  const cause = errors.find((error) => isErrno(error, 'EEXIST', 'EADDRINUSE'));
  const others = errors.filter((error) => !(error instanceof KernelError));
  return [new NetworkError('kernel', trouble, { cause }), ...others];
}

function findTrouble(
  errors: readonly Error[],
  { vni, port }: Tunnel,
  links: readonly Link[],
): string | undefined {
  const twin = links.find(
    ({ name, vxlan }) => name !== vxlanName && vxlan?.vni === vni && vxlan.port === port,
  );
  // One network in one family belongs to one device; a device that is up has its port, which only like ones share.
  if (twin && errors.some((error) => isErrno(error, 'EEXIST', 'EADDRINUSE')))
    return `link ${twin.name} has VNI ${vni} on UDP port ${port}: remove it (ip link delete ${twin.name}), or set vxlanVNI to another`;
  if (errors.some((error) => isErrno(error, 'EADDRINUSE')))
    return `UDP port ${port}, which the vxlan needs, is taken by a program (ss -ulpn sport = :${port}) or by another vxlan device (ip -d link show type vxlan): end it, or set vxlanPort to another`;
  return undefined;
}
