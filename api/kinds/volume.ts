import type { Static } from 'typebox';
import { FieldRef, LocalObjectReference, ResourceFieldSelector } from './container.ts';
import { LabelSelector, TemplateMeta } from './meta.ts';
import { cloudSources, networkSources } from './remote-volumes.ts';
import { atomic, boolean, int64, integer, list, map, quantity, string, struct } from './schema.ts';

/** Every volume source of core/v1, so that legal manifests validate; what weft mounts is the agent's concern. */
const CORE = 'io.k8s.api.core.v1';

const KeyToPath = struct(
  `${CORE}.KeyToPath`,
  { key: string(), path: string() },
  { mode: integer() },
  'key 1, path 2, *mode 3',
);

const DownwardAPIVolumeFile = struct(
  `${CORE}.DownwardAPIVolumeFile`,
  { path: string() },
  { fieldRef: FieldRef, resourceFieldRef: ResourceFieldSelector, mode: integer() },
  'path 1, fieldRef 2, resourceFieldRef 3, *mode 4',
);

const items = list(KeyToPath);
const defaultMode = integer({ default: 0o644 });

const SecretVolumeSource = struct(
  `${CORE}.SecretVolumeSource`,
  {},
  { secretName: string(), items, defaultMode, optional: boolean() },
  'secretName 1, items 2, *defaultMode 3, *optional 4',
);
const ConfigMapVolumeSource = struct(
  `${CORE}.ConfigMapVolumeSource`,
  {},
  { name: string(), items, defaultMode, optional: boolean() },
  'name 1.1, items 2, *defaultMode 3, *optional 4',
);

const VolumeProjection = struct(
  `${CORE}.VolumeProjection`,
  {},
  {
    secret: struct(
      `${CORE}.SecretProjection`,
      {},
      { name: string(), items, optional: boolean() },
      'name 1.1, items 2, *optional 4',
    ),
    configMap: struct(
      `${CORE}.ConfigMapProjection`,
      {},
      { name: string(), items, optional: boolean() },
      'name 1.1, items 2, *optional 4',
    ),
    downwardAPI: struct(
      `${CORE}.DownwardAPIProjection`,
      {},
      { items: list(DownwardAPIVolumeFile) },
      'items 1',
    ),
    serviceAccountToken: struct(
      `${CORE}.ServiceAccountTokenProjection`,
      { path: string() },
      { audience: string(), expirationSeconds: int64({ default: 3600 }) },
      'audience 1, *expirationSeconds 2, path 3',
    ),
    clusterTrustBundle: struct(
      `${CORE}.ClusterTrustBundleProjection`,
      { path: string() },
      { name: string(), signerName: string(), labelSelector: LabelSelector, optional: boolean() },
      '*name 1, *signerName 2, labelSelector 3, path 4, *optional 5',
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
      `
        signerName 1, keyType 2, *maxExpirationSeconds 3, credentialBundlePath 4, keyPath 5,
        certificateChainPath 6`,
    ),
  },
  `
    secret 1, downwardAPI 2, configMap 3, serviceAccountToken 4, clusterTrustBundle 5,
    podCertificate 6`,
);

const TypedLocalObjectReference = atomic(
  struct(
    `${CORE}.TypedLocalObjectReference`,
    { kind: string(), name: string() },
    { apiGroup: string() },
    '*apiGroup 1, kind 2, name 3',
  ),
);
const TypedObjectReference = struct(
  `${CORE}.TypedObjectReference`,
  { kind: string(), name: string() },
  { apiGroup: string(), namespace: string() },
  '*apiGroup 1, kind 2, name 3, *namespace 4',
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
      'limits 1, requests 2',
    ),
    volumeName: string(),
    storageClassName: string(),
    volumeMode: string({ default: 'Filesystem' }),
    dataSource: TypedLocalObjectReference,
    dataSourceRef: TypedObjectReference,
    volumeAttributesClassName: string(),
  },
  `
    accessModes 1, resources 2, volumeName 3, selector 4, *storageClassName 5, *volumeMode 6,
    dataSource 7, dataSourceRef 8, *volumeAttributesClassName 9`,
);

export const Volume = struct(
  `${CORE}.Volume`,
  { name: string() },
  {
    hostPath: struct(
      `${CORE}.HostPathVolumeSource`,
      { path: string() },
      { type: string({ default: '' }) },
      'path 1, *type 2',
    ),
    emptyDir: struct(
      `${CORE}.EmptyDirVolumeSource`,
      {},
      { medium: string(), sizeLimit: quantity() },
      'medium 1, sizeLimit 2',
    ),
    secret: SecretVolumeSource,
    configMap: ConfigMapVolumeSource,
    downwardAPI: struct(
      `${CORE}.DownwardAPIVolumeSource`,
      {},
      { items: list(DownwardAPIVolumeFile), defaultMode },
      'items 1, *defaultMode 2',
    ),
    projected: struct(
      `${CORE}.ProjectedVolumeSource`,
      {},
      { sources: list(VolumeProjection), defaultMode },
      'sources 1, *defaultMode 2',
    ),
    persistentVolumeClaim: struct(
      `${CORE}.PersistentVolumeClaimVolumeSource`,
      { claimName: string() },
      { readOnly: boolean() },
      'claimName 1, readOnly 2',
    ),
    gitRepo: struct(
      `${CORE}.GitRepoVolumeSource`,
      { repository: string() },
      { revision: string(), directory: string() },
      'repository 1, revision 2, directory 3',
    ),
    flexVolume: struct(
      `${CORE}.FlexVolumeSource`,
      { driver: string() },
      { fsType: string(), secretRef: LocalObjectReference, readOnly: boolean(), options: map(string()) },
      'driver 1, fsType 2, secretRef 3, readOnly 4, options 5',
    ),
    csi: struct(
      `${CORE}.CSIVolumeSource`,
      { driver: string() },
      {
        readOnly: boolean(),
        fsType: string(),
        volumeAttributes: map(string()),
        nodePublishSecretRef: LocalObjectReference,
      },
      'driver 1, *readOnly 2, *fsType 3, volumeAttributes 4, nodePublishSecretRef 5',
    ),
    ephemeral: struct(
      `${CORE}.EphemeralVolumeSource`,
      {},
      {
        volumeClaimTemplate: struct(
          `${CORE}.PersistentVolumeClaimTemplate`,
          { spec: PersistentVolumeClaimSpec },
          { metadata: TemplateMeta },
          'metadata 1, spec 2',
        ),
      },
      'volumeClaimTemplate 1',
    ),
    image: struct(
      `${CORE}.ImageVolumeSource`,
      {},
      { reference: string(), pullPolicy: string() },
      'reference 1, pullPolicy 2',
    ),
    ...networkSources,
    ...cloudSources,
  },
  `
    name 1, hostPath 2.1, emptyDir 2.2, gcePersistentDisk 2.3, awsElasticBlockStore 2.4,
    gitRepo 2.5, secret 2.6, nfs 2.7, iscsi 2.8, glusterfs 2.9, persistentVolumeClaim 2.10,
    rbd 2.11, flexVolume 2.12, cinder 2.13, cephfs 2.14, flocker 2.15, downwardAPI 2.16, fc 2.17,
    azureFile 2.18, configMap 2.19, vsphereVolume 2.20, quobyte 2.21, azureDisk 2.22,
    photonPersistentDisk 2.23, portworxVolume 2.24, scaleIO 2.25, projected 2.26, storageos 2.27,
    csi 2.28, ephemeral 2.29, image 2.30`,
  { description: 'A directory of the pod that its containers mount, filled from one source.' },
);
export type Volume = Static<typeof Volume>;
