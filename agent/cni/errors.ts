import type { CniCode } from '../../cni/cni-error.ts';
import { CniError, cniCodes } from '../../cni/cni-error.ts';
import { IpamError } from '../../cni/ipam-error.ts';
import { NetworkError } from '../network/network-error.ts';

const ipamCodes: Readonly<Record<IpamError['code'], CniCode>> = {
  exhausted: cniCodes.exhausted,
  resting: cniCodes.tryAgain,
  taken: cniCodes.addressRefused,
  outside: cniCodes.addressRefused,
  unsaved: cniCodes.ioFailure,
  corrupt: cniCodes.ioFailure,
};

const networkCodes: Readonly<Record<NetworkError['code'], CniCode>> = {
  'not-ready': cniCodes.tryAgain,
  'no-address': cniCodes.tryAgain,
  conflict: cniCodes.tryAgain,
  'port-taken': cniCodes.portTaken,
  'bad-namespace': cniCodes.badNamespace,
  exists: cniCodes.interfaceExists,
  kernel: cniCodes.kernel,
};

/** Any failure in the specification's terms. */
export function toCniError(error: unknown): CniError {
  if (error instanceof CniError) return error;
  // The network says that it could not connect a pod; why not is what the code is about.
  const cause = error instanceof NetworkError && error.cause instanceof IpamError ? error.cause : error;
  const message = error instanceof Error ? error.message : String(error);
  return new CniError(codeOf(cause), message, detailsOf(error), { cause: error });
}

function codeOf(error: unknown): CniCode {
  if (error instanceof IpamError) return ipamCodes[error.code];
  return error instanceof NetworkError ? networkCodes[error.code] : cniCodes.kernel;
}

/** What an error's message does not say itself. */
function detailsOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (!(cause instanceof Error) || (error as Error).message.includes(cause.message)) return '';
  return cause.message;
}
