import { CniError, cniCodes } from './cni-error.ts';

/** The versions of the specification that configurations may have, oldest first. */
export const supportedVersions = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

export type CniVersion = (typeof supportedVersions)[number];

export const currentVersion: CniVersion = '1.1.0';

/** @throws CniError `incompatibleVersion` */
export function parseVersion(text: string | undefined): CniVersion {
  const version = supportedVersions.find((supported) => supported === text);
  if (version !== undefined) return version;
  const given =
    text === undefined ? 'the configuration has no cniVersion' : `cniVersion ${text} is not supported`;
  throw new CniError(cniCodes.incompatibleVersion, given, `supported are ${supportedVersions.join(', ')}`);
}

/** Whether one version is another or a later one. */
export function isAtLeast(version: CniVersion, other: CniVersion): boolean {
  return supportedVersions.indexOf(version) >= supportedVersions.indexOf(other);
}

/** The answer to VERSION, which repeats the version it was asked in. */
export function renderVersions(cniVersion: string): string {
  return `${JSON.stringify({ cniVersion, supportedVersions })}\n`;
}
