import type { CniResult } from './result.ts';

/** What ADD made, as we know it. */
export interface MadeInterface {
  readonly name: string;
  readonly mac: string;
  readonly addresses: readonly string[];
}

/**
 * What of ours a result lacks or has otherwise, a sentence each. Later plugins may have added to it, and moved the
 * container's namespace to another path.
 */
export function compareResult(result: CniResult, made: MadeInterface): string[] {
  const index = result.interfaces.findIndex(
    ({ name, sandbox }) => name === made.name && (sandbox ?? '') !== '',
  );
  if (index < 0) return [`prevResult has no interface ${made.name} of a container`];
  const problems: string[] = [];
  const mac = result.interfaces[index]?.mac?.toLowerCase();
  if (mac !== undefined && mac !== made.mac)
    problems.push(`prevResult says that ${made.name} has hardware address ${mac}; it was given ${made.mac}`);
  for (const address of made.addresses) {
    const isThere = result.ips.some(
      (ip) => ip.address.replace(/\/\d+$/, '') === address && (ip.interface ?? index) === index,
    );
    if (!isThere) problems.push(`prevResult does not have ${address}, which ${made.name} was given`);
  }
  return problems;
}
