import type { Static } from 'typebox';
import { renderAge } from './age.ts';
import { validateEvent } from './event-validation.ts';
import type { Kind } from './kind.ts';
import { ObjectMeta, typeMeta } from './meta.ts';
import { ObjectReference } from './object-reference.ts';
import { filled, integer, microTime, string, struct, time } from './schema.ts';
import { column } from './table.ts';

const CORE = 'io.k8s.api.core.v1';

export const EventSource = struct(
  `${CORE}.EventSource`,
  {},
  { component: string(), host: string() },
  'component 1, host 2',
);

/** core/v1 Event. */
export const Event = struct(
  `${CORE}.Event`,
  { metadata: filled(ObjectMeta, {}), involvedObject: ObjectReference },
  {
    ...typeMeta,
    reason: string(),
    message: string(),
    source: EventSource,
    firstTimestamp: time(),
    lastTimestamp: time(),
    count: integer(),
    type: string(),
    eventTime: microTime(),
    series: struct(
      `${CORE}.EventSeries`,
      {},
      { count: integer(), lastObservedTime: microTime() },
      'count 1, lastObservedTime 2',
    ),
    action: string(),
    related: ObjectReference,
    reportingComponent: string({ default: '' }),
    reportingInstance: string({ default: '' }),
  },
  `
    metadata 1, involvedObject 2, reason 3, message 4, source 5, firstTimestamp 6,
    lastTimestamp 7, count 8, type 9, eventTime 10, series 11, action 12, related 13,
    reportingComponent 14, reportingInstance 15`,
  { description: 'Something that happened to an object, told to people.' },
);
export type Event = Static<typeof Event>;

export const eventKind: Kind<Event> = {
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  singular: 'event',
  shortNames: ['ev'],
  categories: [],
  namespaced: true,
  nameFormat: 'subdomain',
  schema: Event,
  subresources: [],
  generation: false,
  defaultPropagation: 'Background',
  columns: [
    column('Last Seen'),
    column('Type'),
    column('Reason'),
    column('Object'),
    column('Subobject', 'string', 'wide'),
    column('Source', 'string', 'wide'),
    column('Message'),
    column('First Seen', 'string', 'wide'),
    column('Count', 'string', 'wide'),
    column('Name', 'string', 'wide'),
  ],
  cells: eventCells,
  selectable: [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
  selectableFields: (event) => ({
    'involvedObject.kind': event.involvedObject.kind ?? '',
    'involvedObject.namespace': event.involvedObject.namespace ?? '',
    'involvedObject.name': event.involvedObject.name ?? '',
    'involvedObject.uid': event.involvedObject.uid ?? '',
    'involvedObject.apiVersion': event.involvedObject.apiVersion ?? '',
    'involvedObject.resourceVersion': event.involvedObject.resourceVersion ?? '',
    'involvedObject.fieldPath': event.involvedObject.fieldPath ?? '',
    reason: event.reason ?? '',
    reportingComponent: event.reportingComponent ?? '',
    source: event.source?.component || (event.reportingComponent ?? ''),
    type: event.type ?? '',
  }),
  validate: (event) => validateEvent(event),
};

function eventCells(event: Event, nowMs: number): string[] {
  const { involvedObject: object, series } = event;
  const first = event.firstTimestamp ?? event.eventTime;
  const last = series?.lastObservedTime ?? event.lastTimestamp ?? first;
  const kind = (object.kind ?? '').toLowerCase();
  const component = event.source?.component || event.reportingComponent;
  const host = event.source?.host || event.reportingInstance;
  return [
    renderAge(last, nowMs),
    event.type ?? '',
    event.reason ?? '',
    object.name ? `${kind}/${object.name}` : kind,
    object.fieldPath ?? '',
    [component, host].filter((each) => each).join(', '),
    (event.message ?? '').trim(),
    renderAge(first, nowMs),
    String(series?.count ?? (event.count || 1)),
    event.metadata.name,
  ];
}
