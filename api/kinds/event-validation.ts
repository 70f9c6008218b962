import { isDeepStrictEqual } from 'node:util';
import type { Event } from './event.ts';
import { invalid, required, type FieldError } from './field-error.ts';
import { checkQualifiedName } from './names.ts';

/** What the field may have at most, in characters. */
const limits = { reportingInstance: 128, action: 128, reason: 128, message: 1024 } as const;

/** What every Event keeps to; those with an eventTime are told in the newer form, which asks for more. */
export function validateEvent(event: Event): FieldError[] {
  const place = event.eventTime === undefined ? validateOldPlace(event) : validateNewPlace(event);
  return event.eventTime === undefined ? place : [...place, ...validateNewForm(event)];
}

const elsewhere = (event: Event): FieldError =>
  invalid('involvedObject.namespace', event.involvedObject.namespace ?? '', 'does not match event.namespace');

function validateOldPlace(event: Event): FieldError[] {
  // Events about objects without a namespace live in default.
  const wanted = event.involvedObject.namespace || 'default';
  return event.metadata.namespace === wanted ? [] : [elsewhere(event)];
}

function validateNewPlace(event: Event): FieldError[] {
  if (event.involvedObject.namespace) return [];
  return ['default', 'kube-system'].includes(event.metadata.namespace ?? '') ? [] : [elsewhere(event)];
}

function validateNewForm(event: Event): FieldError[] {
  const controller = event.reportingComponent ?? '';
  const wrong = checkQualifiedName(controller);
  const fields = Object.entries(limits) as [keyof typeof limits, number][];
  return [
    ...(controller === '' ? [required('reportingController')] : []),
    ...(wrong === undefined ? [] : [invalid('reportingController', controller, wrong)]),
    ...fields.flatMap(([field, limit]) => {
      const text = event[field] ?? '';
      if (text === '' && field !== 'message') return [required(field)];
      return text.length > limit ? [invalid(field, '', `can have at most ${limit} characters`)] : [];
    }),
  ];
}

/** Parts that only the older form has. */
const oldFields = ['firstTimestamp', 'lastTimestamp', 'count'] as const;

/** What events.k8s.io/v1 asks for besides. Its words are those of the core Event, as upstream's are. */
export function validateStrictly(event: Event, old: Event | undefined): FieldError[] {
  const errors = validateEvent(event);
  if (old) {
    if (!isDeepStrictEqual(event.series, old.series)) errors.push(...validateSeries(event));
    return [...errors, ...validateUnchanged(event, old)];
  }
  errors.push(...validateSeries(event));
  if (event.eventTime === undefined) errors.push(required('eventTime'));
  if (event.type !== 'Normal' && event.type !== 'Warning') {
    errors.push(invalid('type', '', `has invalid value: ${event.type ?? ''}`));
  }
  for (const field of oldFields) if (event[field]) errors.push(invalid(field, '', 'needs to be unset'));
  if (event.source?.component || event.source?.host) errors.push(invalid('source', '', 'needs to be unset'));
  return errors;
}

function validateSeries({ series }: Event): FieldError[] {
  if (!series) return [];
  return [
    ...((series.count ?? 0) < 2 ? [invalid('series.count', '', 'should be at least 2')] : []),
    ...(series.lastObservedTime === undefined ? [required('series.lastObservedTime')] : []),
  ];
}

/** By the name that a mistake gives them. */
const fixed: Readonly<Record<string, keyof Event>> = {
  involvedObject: 'involvedObject',
  reason: 'reason',
  message: 'message',
  source: 'source',
  firstTimestamp: 'firstTimestamp',
  lastTimestamp: 'lastTimestamp',
  count: 'count',
  type: 'type',
  eventTime: 'eventTime',
  action: 'action',
  related: 'related',
  reportingController: 'reportingComponent',
  reportingInstance: 'reportingInstance',
};

function validateUnchanged(event: Event, old: Event): FieldError[] {
  return Object.entries(fixed)
    .filter(([, field]) => !isDeepStrictEqual(event[field], old[field]))
    .map(([name, field]) => invalid(name, event[field], 'field is immutable'));
}
