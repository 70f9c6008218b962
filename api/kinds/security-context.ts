import type { Static } from 'typebox';
import { boolean, int64, list, string, struct } from './schema.ts';

const CORE = 'io.k8s.api.core.v1';

export const SELinuxOptions = struct(
  `${CORE}.SELinuxOptions`,
  {},
  { user: string(), role: string(), type: string(), level: string() },
  'user 1, role 2, type 3, level 4',
);
export const WindowsSecurityContextOptions = struct(
  `${CORE}.WindowsSecurityContextOptions`,
  {},
  {
    gmsaCredentialSpecName: string(),
    gmsaCredentialSpec: string(),
    runAsUserName: string(),
    hostProcess: boolean(),
  },
  '*gmsaCredentialSpecName 1, *gmsaCredentialSpec 2, *runAsUserName 3, *hostProcess 4',
);
export const SeccompProfile = struct(
  `${CORE}.SeccompProfile`,
  { type: string({ enum: ['Localhost', 'RuntimeDefault', 'Unconfined'] }) },
  { localhostProfile: string() },
  'type 1, *localhostProfile 2',
);
export const AppArmorProfile = struct(
  `${CORE}.AppArmorProfile`,
  { type: string({ enum: ['Localhost', 'RuntimeDefault', 'Unconfined'] }) },
  { localhostProfile: string() },
  'type 1, *localhostProfile 2',
);

export const SecurityContext = struct(
  `${CORE}.SecurityContext`,
  {},
  {
    capabilities: struct(
      `${CORE}.Capabilities`,
      {},
      { add: list(string()), drop: list(string()) },
      'add 1, drop 2',
    ),
    privileged: boolean(),
    seLinuxOptions: SELinuxOptions,
    windowsOptions: WindowsSecurityContextOptions,
    runAsUser: int64(),
    runAsGroup: int64(),
    runAsNonRoot: boolean(),
    readOnlyRootFilesystem: boolean(),
    allowPrivilegeEscalation: boolean(),
    procMount: string(),
    seccompProfile: SeccompProfile,
    appArmorProfile: AppArmorProfile,
  },
  `
    capabilities 1, *privileged 2, seLinuxOptions 3, *runAsUser 4, *runAsNonRoot 5,
    *readOnlyRootFilesystem 6, *allowPrivilegeEscalation 7, *runAsGroup 8, *procMount 9,
    windowsOptions 10, seccompProfile 11, appArmorProfile 12`,
);
export type SecurityContext = Static<typeof SecurityContext>;
