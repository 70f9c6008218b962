import type { Static } from 'typebox';
import { eventKind, EventSource } from './event.ts';
import type { Event } from './event.ts';
import { validateStrictly } from './event-validation.ts';
import { apiVersionOf, type Kind } from './kind.ts';
import { ObjectMeta, typeMeta } from './meta.ts';
import { ObjectReference } from './object-reference.ts';
import { filled, integer, microTime, string, struct, time } from './schema.ts';

const EVENTS = 'io.k8s.api.events.v1';

/** events.k8s.io/v1 Event: the Events of the core group, with other names for their fields. */
const EventView = struct(
  `${EVENTS}.Event`,
  { metadata: filled(ObjectMeta, {}) },
  {
    ...typeMeta,
    eventTime: microTime(),
    series: struct(
      `${EVENTS}.EventSeries`,
      {},
      { count: integer(), lastObservedTime: microTime() },
      'count 1, lastObservedTime 2',
    ),
    reportingController: string(),
    reportingInstance: string(),
    action: string(),
    reason: string(),
    regarding: ObjectReference,
    related: ObjectReference,
    note: string(),
    type: string(),
    deprecatedSource: EventSource,
    deprecatedFirstTimestamp: time(),
    deprecatedLastTimestamp: time(),
    deprecatedCount: integer(),
  },
  `
    metadata 1, eventTime 2, series 3, reportingController 4, reportingInstance 5, action 6,
    reason 7, regarding 8, related 9, note 10, type 11, deprecatedSource 12,
    deprecatedFirstTimestamp 13, deprecatedLastTimestamp 14, deprecatedCount 15`,
  { description: 'Something that happened to an object, told to people. The same objects as v1 Events.' },
);
type EventView = Static<typeof EventView>;

/** The fields that have another name in the core group. */
const coreNames: Readonly<Record<string, string>> = {
  regarding: 'involvedObject',
  note: 'message',
  reportingController: 'reportingComponent',
  deprecatedSource: 'source',
  deprecatedFirstTimestamp: 'firstTimestamp',
  deprecatedLastTimestamp: 'lastTimestamp',
  deprecatedCount: 'count',
};
const viewNames = Object.fromEntries(Object.entries(coreNames).map(([view, core]) => [core, view]));

function rename(object: object, names: Readonly<Record<string, string>>): object {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [names[name] ?? name, value]));
}

function toCore(view: EventView): Event {
  const unset = { involvedObject: {}, reportingComponent: '', reportingInstance: '' };
  return { ...unset, ...(rename(view, coreNames) as Event), apiVersion: 'v1', kind: 'Event' };
}

function fromCore(event: Event): EventView {
  const view = rename(event, viewNames) as EventView;
  if (view.reportingController === '') delete view.reportingController;
  if (view.reportingInstance === '') delete view.reportingInstance;
  return { ...view, apiVersion: apiVersionOf(eventViewKind), kind: eventViewKind.kind };
}

/** What a field selector may name, by what it is called in the core group. */
const selectable: Readonly<Record<string, string>> = {
  'regarding.kind': 'involvedObject.kind',
  'regarding.namespace': 'involvedObject.namespace',
  'regarding.name': 'involvedObject.name',
  'regarding.uid': 'involvedObject.uid',
  'regarding.apiVersion': 'involvedObject.apiVersion',
  'regarding.resourceVersion': 'involvedObject.resourceVersion',
  'regarding.fieldPath': 'involvedObject.fieldPath',
  reason: 'reason',
  reportingController: 'reportingComponent',
  type: 'type',
};

export const eventViewKind: Kind<EventView> = {
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  singular: 'event',
  shortNames: ['ev'],
  categories: [],
  namespaced: true,
  nameFormat: 'subdomain',
  schema: EventView,
  view: { of: eventKind, show: fromCore, store: toCore },
  subresources: [],
  generation: false,
  defaultPropagation: 'Background',
  columns: eventKind.columns,
  cells: (view, nowMs) => eventKind.cells(toCore(view), nowMs),
  selectable: Object.keys(selectable),
  selectableFields(view) {
    const values = eventKind.selectableFields(toCore(view));
    const entries = Object.entries(selectable).map(([name, core]) => [name, values[core] ?? '']);
    return Object.fromEntries(entries) as Record<string, string>;
  },
  validate: (view, old) => validateStrictly(toCore(view), old && toCore(old)),
};
