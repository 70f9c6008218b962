import type { Static } from 'typebox';
import { ObjectMeta, typeMeta } from './meta.ts';
import { ObjectReference } from './object-reference.ts';
import { filled, integer, microTime, string, struct, time } from './schema.ts';

const CORE = 'io.k8s.api.core.v1';

/** core/v1 Event. */
export const Event = struct(
  `${CORE}.Event`,
  { metadata: filled(ObjectMeta, {}), involvedObject: ObjectReference },
  {
    ...typeMeta,
    reason: string(),
    message: string(),
    source: struct(`${CORE}.EventSource`, {}, { component: string(), host: string() }),
    firstTimestamp: time(),
    lastTimestamp: time(),
    count: integer(),
    type: string(),
    eventTime: microTime(),
    series: struct(`${CORE}.EventSeries`, {}, { count: integer(), lastObservedTime: microTime() }),
    action: string(),
    related: ObjectReference,
    reportingComponent: string({ default: '' }),
    reportingInstance: string({ default: '' }),
  },
);
export type Event = Static<typeof Event>;
