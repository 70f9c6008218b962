import { LocalObjectReference } from './container.ts';
import { boolean, integer, list, string, struct } from './schema.ts';

/** Volume sources that are not on the node. weft mounts none of them; legal manifests validate. */
const CORE = 'io.k8s.api.core.v1';

const disk = { fsType: string(), partition: integer(), readOnly: boolean() };
const secretRef = LocalObjectReference;
const monitors = list(string());

/** What other machines serve. */
export const networkSources = {
  nfs: struct(
    `${CORE}.NFSVolumeSource`,
    { server: string(), path: string() },
    { readOnly: boolean() },
    'server 1, path 2, readOnly 3',
  ),
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
    `
      targetPortal 1, iqn 2, lun 3, iscsiInterface 4, fsType 5, readOnly 6, portals 7,
      chapAuthDiscovery 8, secretRef 10, chapAuthSession 11, *initiatorName 12`,
  ),
  glusterfs: struct(
    `${CORE}.GlusterfsVolumeSource`,
    { endpoints: string(), path: string() },
    { readOnly: boolean() },
    'endpoints 1, path 2, readOnly 3',
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
    'monitors 1, image 2, fsType 3, pool 4, user 5, keyring 6, secretRef 7, readOnly 8',
  ),
  cephfs: struct(
    `${CORE}.CephFSVolumeSource`,
    { monitors },
    { path: string(), user: string(), secretFile: string(), secretRef, readOnly: boolean() },
    'monitors 1, path 2, user 3, secretFile 4, secretRef 5, readOnly 6',
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
    'targetWWNs 1, *lun 2, fsType 3, readOnly 4, wwids 5',
  ),
  flocker: struct(
    `${CORE}.FlockerVolumeSource`,
    {},
    { datasetName: string(), datasetUUID: string() },
    'datasetName 1, datasetUUID 2',
  ),
  quobyte: struct(
    `${CORE}.QuobyteVolumeSource`,
    { registry: string(), volume: string() },
    { readOnly: boolean(), user: string(), group: string(), tenant: string() },
    'registry 1, volume 2, readOnly 3, user 4, group 5, tenant 6',
  ),
};

/** What a cloud or a storage product serves. */
export const cloudSources = {
  gcePersistentDisk: struct(
    `${CORE}.GCEPersistentDiskVolumeSource`,
    { pdName: string() },
    disk,
    'pdName 1, fsType 2, partition 3, readOnly 4',
  ),
  awsElasticBlockStore: struct(
    `${CORE}.AWSElasticBlockStoreVolumeSource`,
    { volumeID: string() },
    disk,
    'volumeID 1, fsType 2, partition 3, readOnly 4',
  ),
  cinder: struct(
    `${CORE}.CinderVolumeSource`,
    { volumeID: string() },
    { fsType: string(), readOnly: boolean(), secretRef },
    'volumeID 1, fsType 2, readOnly 3, secretRef 4',
  ),
  azureFile: struct(
    `${CORE}.AzureFileVolumeSource`,
    { secretName: string(), shareName: string() },
    { readOnly: boolean() },
    'secretName 1, shareName 2, readOnly 3',
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
    'diskName 1, diskURI 2, *cachingMode 3, *fsType 4, *readOnly 5, *kind 6',
  ),
  vsphereVolume: struct(
    `${CORE}.VsphereVirtualDiskVolumeSource`,
    { volumePath: string() },
    { fsType: string(), storagePolicyName: string(), storagePolicyID: string() },
    'volumePath 1, fsType 2, storagePolicyName 3, storagePolicyID 4',
  ),
  photonPersistentDisk: struct(
    `${CORE}.PhotonPersistentDiskVolumeSource`,
    { pdID: string() },
    { fsType: string() },
    'pdID 1, fsType 2',
  ),
  portworxVolume: struct(
    `${CORE}.PortworxVolumeSource`,
    { volumeID: string() },
    { fsType: string(), readOnly: boolean() },
    'volumeID 1, fsType 2, readOnly 3',
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
    `
      gateway 1, system 2, secretRef 3, sslEnabled 4, protectionDomain 5, storagePool 6,
      storageMode 7, volumeName 8, fsType 9, readOnly 10`,
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
    'volumeName 1, volumeNamespace 2, fsType 3, readOnly 4, secretRef 5',
  ),
};
