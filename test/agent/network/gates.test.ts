import t from 'tap';
import type { Attachment } from '../../../agent/network/attachment.ts';
import { Gates } from '../../../agent/network/gates.ts';
import type { Gate } from '../../../agent/network/gates.ts';

const attachment: Attachment = {
  id: 'cni:c1:eth0',
  netns: '/run/netns/c1',
  ifname: 'eth0',
  hostLink: 'weft0',
  mac: '02:00:5e:00:53:01',
  ips: ['10.244.1.2'],
};
const open: Gate = { admit: () => undefined, dismiss: () => undefined };
const ways = ['admit', 'dismiss'] as const;

function gatesOf(...gates: readonly Partial<Gate>[]): Gates {
  const all = new Gates({ admit: 20, dismiss: 20 });
  for (const gate of gates) all.add({ ...open, ...gate });
  return all;
}

for (const way of ways) {
  t.test(`${way}: every gate is waited for`, async (t) => {
    const passed: string[] = [];
    const [slow, asked] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    const gates = gatesOf(
      {},
      {
        [way]: ({ id }: Attachment) => (
          asked.resolve(undefined),
          slow.promise.then(() => void passed.push(id))
        ),
      },
    );
    const passing = gates[way](attachment).then(() => passed.push('through'));
    await asked.promise;
    t.same(passed, []);
    slow.resolve(undefined);
    await passing;
    t.same(passed, [attachment.id, 'through']);
  });

  t.test(`${way}: one that does not open is not waited for beyond the limit, and learns it`, async (t) => {
    let told: AbortSignal | undefined;
    const never: Gate['admit'] = (_, signal) => {
      told = signal;
      return new Promise(() => undefined);
    };
    await t.rejects(gatesOf({ [way]: never })[way](attachment), {
      code: 'not-ready',
      message: /cni:c1:eth0.* after 20 ms$/,
    });
    t.ok(told?.aborted);
  });

  t.test(`${way}: what a gate says`, async (t) => {
    const refusing = gatesOf({ [way]: () => Promise.reject(new Error('no policy')) });
    await t.rejects(refusing[way](attachment), { message: 'no policy' });
    await gatesOf()[way](attachment);
    await gatesOf({})[way](attachment);
  });
}
