import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import t from 'tap';
import { configMapKind } from '../../../api/kinds/config-map.ts';
import type { Exchange } from '../../../api/server/http/exchange.ts';
import { EventStream } from '../../../api/server/verbs/event-stream.ts';
import { presenterFor } from '../../../api/server/verbs/present.ts';
import { configMap } from './objects.ts';

/** An answer that keeps what is written until `drain` is emitted. */
class SlowResponse extends EventEmitter {
  writableLength = 0;
  readonly headersSent = true;
  readonly writableEnded = false;
  readonly destroyed = false;

  get writableNeedDrain(): boolean {
    return this.writableLength > 0;
  }

  write(chunk: Buffer): void {
    this.writableLength += chunk.length;
  }

  end(): void {
    this.writableLength = 0;
  }

  drain(): void {
    this.writableLength = 0;
    this.emit('drain');
  }
}

t.test('a client that is slow from the start is held back later too', async (t) => {
  const response = new SlowResponse();
  const exchange = { request: { headers: {} }, url: new URL('https://weft/') } as unknown as Exchange;
  const presenter = presenterFor(configMapKind, exchange);
  const stream = new EventStream(configMapKind, presenter, response as unknown as ServerResponse, false);
  const calls: string[] = [];
  const note = (call: string) => () => void calls.push(call);
  const watch = {
    requestBookmark: note('bookmark'),
    pause: note('pause'),
    resume: note('resume'),
    stop: note('stop'),
  };
  const ended = stream.run(watch, { timeoutMs: 60_000, wantsBookmarks: false });

  const value = JSON.stringify(configMap('large', { text: 'x'.repeat(600_000) }));
  const entry = { key: '/registry/core/configmaps/default/large', value, createRevision: 1, revision: 1 };
  const initial = stream.initial([entry]);
  response.drain();
  await initial;
  for (const revision of [2, 3]) stream.event('MODIFIED', { ...entry, revision }, revision);
  t.same(calls, ['pause']);
  response.drain();
  t.same(calls, ['pause', 'resume']);
  response.emit('close');
  await ended;
  t.same(calls, ['pause', 'resume', 'stop']);
});

t.test('what is there at the start waits for the client bit by bit', async (t) => {
  const response = new SlowResponse();
  const exchange = { request: { headers: {} }, url: new URL('https://weft/') } as unknown as Exchange;
  const presenter = presenterFor(configMapKind, exchange);
  const stream = new EventStream(configMapKind, presenter, response as unknown as ServerResponse, false);
  const entries = Array.from({ length: 10 }, (_, i) => {
    const value = JSON.stringify(configMap(`c${i}`, { text: 'x'.repeat(100_000) }));
    return { key: `/registry/core/configmaps/default/c${i}`, value, createRevision: 1, revision: 1 };
  });
  let isDone = false;
  const initial = stream.initial(entries).then(() => (isDone = true));
  let total = 0;
  while (!isDone) {
    t.ok(response.writableLength < 400_000, `${response.writableLength} bytes wait`);
    total += response.writableLength;
    response.drain();
    await new Promise(setImmediate);
  }
  await initial;
  t.ok(total > 1_000_000);
});
