import { isIdentifier } from './call.ts';
import { CniError, cniCodes } from './cni-error.ts';
import { parseFields } from './fields.ts';
import type { Fields } from './fields.ts';
import type { CniDns, CniResult } from './result.ts';
import { parseResult } from './result.ts';
import { parseWishes } from './wishes.ts';
import type { Wishes } from './wishes.ts';
import type { CniVersion } from './versions.ts';
import { parseVersion } from './versions.ts';

/** An attachment as GC names it. */
interface ValidAttachment {
  readonly containerID: string;
  readonly ifname: string;
}

/** A network's configuration, as the runtime hands it to the plugin. */
export interface NetworkConfig {
  readonly version: CniVersion;
  /** The network's name. */
  readonly name: string;
  readonly dns: CniDns;
  readonly wishes: Wishes;
  /** What ADD told, or the plugin before us. */
  readonly prevResult: CniResult | undefined;
  /** What GC shall leave; undefined: it does not say. */
  readonly validAttachments: readonly ValidAttachment[] | undefined;
}

/**
 * Reads a configuration.
 * @param args the pairs of CNI_ARGS
 * @throws CniError `decodingFailure`, `incompatibleVersion`, `badConfig`, `unsupportedField`
 */
export function parseNetworkConfig(text: string, args: ReadonlyMap<string, string>): NetworkConfig {
  const fields = parseFields(text);
  const version = parseVersion(fields.string('cniVersion'));
  const name = fields.string('name') ?? '';
  if (name === '') throw new CniError(cniCodes.badConfig, 'the configuration has no name');
  if (!isIdentifier(name))
    throw new CniError(cniCodes.badConfig, `${JSON.stringify(name)} is no network's name`);
  refuseIpam(fields);
  const { wishes, dns } = parseWishes(fields, args);
  const prevResult = fields.object('prevResult');
  return {
    version,
    name,
    dns: { ...fields.object('dns')?.raw, ...dns },
    wishes,
    prevResult: prevResult && parseResult(prevResult),
    validAttachments: parseValidAttachments(fields),
  };
}

/** The version that a configuration asks for, whatever else is wrong with it, to tell the error in. */
export function versionOf(text: string, otherwise: string): string {
  try {
    return parseFields(text).string('cniVersion') ?? otherwise;
  } catch {
    return otherwise; // what is wrong with it is told by who reads it in earnest
  }
}

/** Addresses are the agent's to give: an IPAM plugin would never be asked. */
function refuseIpam(fields: Fields): void {
  if ((fields.object('ipam')?.string('type') ?? '') === '') return;
  const details = 'weft gives out the addresses itself: take ipam out of the configuration';
  throw new CniError(cniCodes.unsupportedField, 'ipam is not supported', details);
}

function parseValidAttachments(fields: Fields): ValidAttachment[] | undefined {
  const name = 'cni.dev/valid-attachments';
  if (!fields.has(name)) return undefined;
  return fields.objects(name).map((each) => ({
    containerID: each.string('containerID') ?? '',
    ifname: each.string('ifname') ?? '',
  }));
}
