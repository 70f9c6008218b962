import type { Static } from 'typebox';
import type { Kind } from './kind.ts';
import { ObjectMeta, typeMeta } from './meta.ts';
import { podCells, podColumns } from './pod-columns.ts';
import { applyPodSpecDefaults, applyRequestDefaults, qosClassOf } from './pod-defaults.ts';
import { PodSpec } from './pod-spec.ts';
import { PodStatus } from './pod-status.ts';
import { validatePodSpec, validatePodSpecUpdate } from './pod-validation.ts';
import { filled, struct } from './schema.ts';
import { specAndStatus } from './spec-and-status.ts';

export const Pod = struct(
  'io.k8s.api.core.v1.Pod',
  { metadata: filled(ObjectMeta, {}), spec: filled(PodSpec, {}) },
  { ...typeMeta, status: PodStatus },
  'metadata 1, spec 2, status 3',
  {
    description:
      'A group of containers that run on one node and share a network address, a hostname and volumes.',
  },
);
export type Pod = Static<typeof Pod>;

export const podKind: Kind<Pod> = {
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  singular: 'pod',
  shortNames: ['po'],
  categories: ['all'],
  namespaced: true,
  nameFormat: 'subdomain',
  schema: Pod,
  subresources: ['status'],
  generation: false,
  defaultPropagation: 'Background',
  columns: podColumns,
  cells: podCells,
  selectable: [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.nominatedNodeName',
  ],
  selectableFields: ({ spec, status }) => ({
    'spec.nodeName': spec.nodeName ?? '',
    'spec.restartPolicy': spec.restartPolicy ?? '',
    'spec.schedulerName': spec.schedulerName ?? '',
    'spec.serviceAccountName': spec.serviceAccountName ?? '',
    'spec.hostNetwork': String(spec.hostNetwork ?? false),
    'status.phase': status?.phase ?? '',
    'status.podIP': status?.podIP ?? '',
    'status.nominatedNodeName': status?.nominatedNodeName ?? '',
  }),
  applyDefaults({ spec }) {
    applyPodSpecDefaults(spec);
    applyRequestDefaults(spec);
    spec.enableServiceLinks ??= true;
  },
  prepareForCreate(pod) {
    pod.status = { phase: 'Pending', qosClass: qosClassOf(pod.spec) };
  },
  ...specAndStatus,
  validate: (pod, old) => [
    ...validatePodSpec(pod.spec, 'spec'),
    ...(old ? validatePodSpecUpdate(pod.spec, old.spec) : []),
  ],
};
