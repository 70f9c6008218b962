import pino from 'pino';
import t from 'tap';
import { Sweep } from '../../../agent/network/sweep.ts';
import { eventually } from '../../api/eventually.ts';

t.test('what the kernel refused is tried again, all of it, and then no more', async (t) => {
  const forgotten: (readonly string[])[] = [];
  let tries = 0;
  const removeLinks = (): void => {
    tries += 1;
    if (tries === 1) throw new Error('no socket');
  };
  const forget = (addresses: readonly string[]): void => void forgotten.push(addresses);
  const isTaken = (address: string): boolean => address === '10.244.1.3';
  const sweep = new Sweep(pino({ enabled: false }), isTaken, { removeLinks, forget });
  sweep.request(['10.244.1.2', '10.244.1.3']);
  await eventually('it has tried again', () => tries === 2);
  sweep.postpone();
  t.equal(tries, 2, 'there is nothing more to do');
  t.same(forgotten, [['10.244.1.2']], 'and what somebody has again is left alone');
});
