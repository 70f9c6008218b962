import type { Static } from 'typebox';
import { FieldRef, LocalObjectReference, ResourceFieldSelector } from './container.ts';
import { LabelSelector, TemplateMeta } from './meta.ts';
import { boolean, int64, integer, list, map, quantity, string, struct } from './schema.ts';

/** Every volume source of core/v1, so that legal manifests validate; what weft mounts is the agent's concern. */
const CORE = 'io.k8s.api.core.v1';

const KeyToPath = struct(`${CORE}.KeyToPath`, { key: string(), path: string() }, { mode: integer() });

const DownwardAPIVolumeFile = struct(
  `${CORE}.DownwardAPIVolumeFile`,
  { path: string() },
  { fieldRef: FieldRef, resourceFieldRef: ResourceFieldSelector, mode: integer() },
);

const items = list(KeyToPath);
const defaultMode = integer({ default: 0o644 });

const SecretVolumeSource = struct(
  `${CORE}.SecretVolumeSource`,
  {},
  { secretName: string(), items, defaultMode, optional: boolean() },
);
const ConfigMapVolumeSource = struct(
  `${CORE}.ConfigMapVolumeSource`,
  {},
  { name: string(), items, defaultMode, optional: boolean() },
);

const VolumeProjection = struct(
  `${CORE}.VolumeProjection`,
  {},
  {
    secret: struct(`${CORE}.SecretProjection`, {}, { name: string(), items, optional: boolean() }),
    configMap: struct(`${CORE}.ConfigMapProjection`, {}, { name: string(), items, optional: boolean() }),
    downwardAPI: struct(`${CORE}.DownwardAPIProjection`, {}, { items: list(DownwardAPIVolumeFile) }),
    serviceAccountToken: struct(
      `${CORE}.ServiceAccountTokenProjection`,
      { path: string() },
      { audience: string(), expirationSeconds: int64({ default: 3600 }) },
    ),
    clusterTrustBundle: struct(
      `${CORE}.ClusterTrustBundleProjection`,
      { path: string() },
      { name: string(), signerName: string(), labelSelector: LabelSelector, optional: boolean() },
    ),
    podCertificate: struct(
      `${CORE}.PodCertificateProjection`,
      { signerName: string(), keyType: string() },
      {
        maxExpirationSeconds: integer(),
        credentialBundlePath: string(),
        keyPath: string(),
        certificateChainPath: string(),
      },
    ),
  },
);

const TypedLocalObjectReference = struct(
  `${CORE}.TypedLocalObjectReference`,
  { kind: string(), name: string() },
  { apiGroup: string() },
);
const TypedObjectReference = struct(
  `${CORE}.TypedObjectReference`,
  { kind: string(), name: string() },
  { apiGroup: string(), namespace: string() },
);

const PersistentVolumeClaimSpec = struct(
  `${CORE}.PersistentVolumeClaimSpec`,
  {},
  {
    accessModes: list(string()),
    selector: LabelSelector,
    resources: struct(
      `${CORE}.VolumeResourceRequirements`,
      {},
      { limits: map(quantity()), requests: map(quantity()) },
    ),
    volumeName: string(),
    storageClassName: string(),
    volumeMode: string({ default: 'Filesystem' }),
    dataSource: TypedLocalObjectReference,
    dataSourceRef: TypedObjectReference,
    volumeAttributesClassName: string(),
  },
);

const disk = { fsType: string(), partition: integer(), readOnly: boolean() };
const secretRef = LocalObjectReference;
const monitors = list(string());

const networkSources = {
  nfs: struct(`${CORE}.NFSVolumeSource`, { server: string(), path: string() }, { readOnly: boolean() }),
  iscsi: struct(
    `${CORE}.ISCSIVolumeSource`,
    { targetPortal: string(), iqn: string(), lun: integer() },
    {
      iscsiInterface: string({ default: 'default' }),
      fsType: string(),
      readOnly: boolean(),
      portals: list(string()),
      chapAuthDiscovery: boolean(),
      chapAuthSession: boolean(),
      secretRef,
      initiatorName: string(),
    },
  ),
  glusterfs: struct(
    `${CORE}.GlusterfsVolumeSource`,
    { endpoints: string(), path: string() },
    { readOnly: boolean() },
  ),
  rbd: struct(
    `${CORE}.RBDVolumeSource`,
    { monitors, image: string() },
    {
      fsType: string(),
      pool: string({ default: 'rbd' }),
      user: string({ default: 'admin' }),
      keyring: string({ default: '/etc/ceph/keyring' }),
      secretRef,
      readOnly: boolean(),
    },
  ),
  cephfs: struct(
    `${CORE}.CephFSVolumeSource`,
    { monitors },
    { path: string(), user: string(), secretFile: string(), secretRef, readOnly: boolean() },
  ),
  fc: struct(
    `${CORE}.FCVolumeSource`,
    {},
    {
      targetWWNs: list(string()),
      lun: integer(),
      fsType: string(),
      readOnly: boolean(),
      wwids: list(string()),
    },
  ),
  flocker: struct(`${CORE}.FlockerVolumeSource`, {}, { datasetName: string(), datasetUUID: string() }),
  quobyte: struct(
    `${CORE}.QuobyteVolumeSource`,
    { registry: string(), volume: string() },
    { readOnly: boolean(), user: string(), group: string(), tenant: string() },
  ),
};

const cloudSources = {
  gcePersistentDisk: struct(`${CORE}.GCEPersistentDiskVolumeSource`, { pdName: string() }, disk),
  awsElasticBlockStore: struct(`${CORE}.AWSElasticBlockStoreVolumeSource`, { volumeID: string() }, disk),
  cinder: struct(
    `${CORE}.CinderVolumeSource`,
    { volumeID: string() },
    { fsType: string(), readOnly: boolean(), secretRef },
  ),
  azureFile: struct(
    `${CORE}.AzureFileVolumeSource`,
    { secretName: string(), shareName: string() },
    { readOnly: boolean() },
  ),
  azureDisk: struct(
    `${CORE}.AzureDiskVolumeSource`,
    { diskName: string(), diskURI: string() },
    {
      cachingMode: string({ default: 'ReadWrite' }),
      fsType: string({ default: 'ext4' }),
      readOnly: boolean({ default: false }),
      kind: string({ default: 'Shared' }),
    },
  ),
  vsphereVolume: struct(
    `${CORE}.VsphereVirtualDiskVolumeSource`,
    { volumePath: string() },
    { fsType: string(), storagePolicyName: string(), storagePolicyID: string() },
  ),
  photonPersistentDisk: struct(
    `${CORE}.PhotonPersistentDiskVolumeSource`,
    { pdID: string() },
    { fsType: string() },
  ),
  portworxVolume: struct(
    `${CORE}.PortworxVolumeSource`,
    { volumeID: string() },
    { fsType: string(), readOnly: boolean() },
  ),
  scaleIO: struct(
    `${CORE}.ScaleIOVolumeSource`,
    { gateway: string(), system: string(), secretRef },
    {
      sslEnabled: boolean(),
      protectionDomain: string(),
      storagePool: string(),
      storageMode: string({ default: 'ThinProvisioned' }),
      volumeName: string(),
      fsType: string({ default: 'xfs' }),
      readOnly: boolean(),
    },
  ),
  storageos: struct(
    `${CORE}.StorageOSVolumeSource`,
    {},
    {
      volumeName: string(),
      volumeNamespace: string(),
      fsType: string(),
      readOnly: boolean(),
      secretRef,
    },
  ),
};

export const Volume = struct(
  `${CORE}.Volume`,
  { name: string() },
  {
    hostPath: struct(`${CORE}.HostPathVolumeSource`, { path: string() }, { type: string({ default: '' }) }),
    emptyDir: struct(`${CORE}.EmptyDirVolumeSource`, {}, { medium: string(), sizeLimit: quantity() }),
    secret: SecretVolumeSource,
    configMap: ConfigMapVolumeSource,
    downwardAPI: struct(
      `${CORE}.DownwardAPIVolumeSource`,
      {},
      { items: list(DownwardAPIVolumeFile), defaultMode },
    ),
    projected: struct(`${CORE}.ProjectedVolumeSource`, {}, { sources: list(VolumeProjection), defaultMode }),
    persistentVolumeClaim: struct(
      `${CORE}.PersistentVolumeClaimVolumeSource`,
      { claimName: string() },
      { readOnly: boolean() },
    ),
    gitRepo: struct(
      `${CORE}.GitRepoVolumeSource`,
      { repository: string() },
      { revision: string(), directory: string() },
    ),
    flexVolume: struct(
      `${CORE}.FlexVolumeSource`,
      { driver: string() },
      { fsType: string(), secretRef, readOnly: boolean(), options: map(string()) },
    ),
    csi: struct(
      `${CORE}.CSIVolumeSource`,
      { driver: string() },
      {
        readOnly: boolean(),
        fsType: string(),
        volumeAttributes: map(string()),
        nodePublishSecretRef: secretRef,
      },
    ),
    ephemeral: struct(
      `${CORE}.EphemeralVolumeSource`,
      {},
      {
        volumeClaimTemplate: struct(
          `${CORE}.PersistentVolumeClaimTemplate`,
          { spec: PersistentVolumeClaimSpec },
          { metadata: TemplateMeta },
        ),
      },
    ),
    image: struct(`${CORE}.ImageVolumeSource`, {}, { reference: string(), pullPolicy: string() }),
    ...networkSources,
    ...cloudSources,
  },
  { description: 'A directory of the pod that its containers mount, filled from one source.' },
);
export type Volume = Static<typeof Volume>;
