import { pino } from 'pino';
import t from 'tap';
import type { Test } from 'tap';

import { EventQueue } from '../../../agent/services/event-queue.ts';
import { ApiError } from '../../../api/client/api-error.ts';
import type { ApiClient } from '../../../api/client/client.ts';
import type { Event } from '../../../api/kinds/event.ts';

/** An API whose next answers the test decides; undefined: it takes the Event. */
function setup(t: Test, answers: (ApiError | undefined)[]) {
  const tried: string[] = [];
  const written: string[] = [];
  const create = (_resource: unknown, event: Event): Promise<Event> => {
    tried.push(event.message ?? '');
    const error = answers.shift();
    if (error) return Promise.reject(error);
    written.push(event.message ?? '');
    return Promise.resolve(event);
  };
  const queue = new EventQueue({ create } as unknown as ApiClient, pino({ level: 'silent' }));
  queue.start();
  t.teardown(() => queue.stop());
  return { queue, tried, written };
}

const event = (message: string): Event => ({
  metadata: { name: message, namespace: 'default' },
  involvedObject: {},
  message,
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

t.test('Events wait for an API that is away, in order', async (t) => {
  const away = new ApiError('away', { code: 0, reason: 'Unreachable' });
  const busy = new ApiError('busy', { code: 429, reason: 'TooManyRequests' });
  const { queue, tried, written } = setup(t, [away, busy]);
  queue.add(event('a'));
  queue.add(event('b'));
  await until(() => written.length === 2);
  t.strictSame(written, ['a', 'b']);
  t.strictSame(tried, ['a', 'a', 'a', 'b']);
});

t.test('what the API refuses does not hold up the others', async (t) => {
  const { queue, tried, written } = setup(t, [new ApiError('no', { code: 404, reason: 'NotFound' })]);
  queue.add(event('a'));
  queue.add(event('b'));
  await until(() => written.length === 1);
  t.strictSame(tried, ['a', 'b']);
});

t.test('more than can be remembered is dropped, what waits is kept', async (t) => {
  const { queue, written } = setup(t, [new ApiError('away', { code: 0, reason: 'Unreachable' })]);
  for (let i = 0; i < 1200; i += 1) queue.add(event(String(i)));
  await until(() => written.includes('999'));
  t.equal(written.length, 1000);
  t.equal(written[0], '0');
});
