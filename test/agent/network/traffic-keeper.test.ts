import t from 'tap';
import { TrafficKeeper } from '../../../agent/network/traffic-keeper.ts';
import { KernelError } from '../../../netns/kernel-error.ts';
import type { Request } from '../../../netns/message.ts';
import type { NetlinkSocket } from '../../../netns/netlink.ts';

const [ENOENT, EINVAL, ENODEV, EPERM] = [2, 22, 19, 1];
const pod = { id: 'a', mac: '02:00:00:00:00:02', ips: ['10.244.1.2'] };
const guarded = { ends: { link: 7, limiter: 0 }, pod, isNew: true };
const limited = {
  ends: { link: 7, limiter: 8 },
  pod: { ...pod, bandwidth: { egress: { rate: 1e6 } } },
  isNew: true,
};

/** A kernel in which nothing hangs anywhere, and which refuses what a test says, by the request's name. */
function kernel(refusals: Readonly<Record<string, number>>): NetlinkSocket {
  return {
    attempt: (requests: readonly Request[]) =>
      requests.map(({ name, about }) => {
        const errno = refusals[`${name} ${about.split(' ')[0] ?? ''}`];
        return errno === undefined ? undefined : new KernelError(name, errno, about);
      }),
    dump: () => [],
  } as unknown as NetlinkSocket;
}

t.test('a kernel that lacks what guards need: pods run, and it is told', (t) => {
  const lacks: [Record<string, number>, RegExp][] = [
    [{ 'RTM_NEWQDISC clsact': ENOENT, 'RTM_NEWTFILTER weft-guard': EINVAL }, /lacks sch_ingress .*modprobe/],
    [{ 'RTM_NEWTFILTER weft-guard': ENOENT }, /lacks cls_bpf .*modprobe/],
  ];
  for (const [refusals, told] of lacks) {
    const keeper = new TrafficKeeper();
    keeper.make(kernel(refusals), guarded, 1450, []);
    t.match(keeper.unguarded, told);
    t.same(keeper.check(kernel(refusals), guarded, 1450), [], 'no pod is to blame');
    keeper.doubt();
    keeper.ensure(kernel({}), [guarded], 1450);
    t.equal(keeper.unguarded, undefined, 'until it is there');
    t.match(keeper.check(kernel({}), guarded, 1450), [/lets other source addresses/]);
  }
  t.end();
});

t.test('a limit that the kernel cannot keep is refused', (t) => {
  for (const refusals of [
    { 'RTM_NEWTFILTER weft-limit': ENOENT },
    { 'RTM_NEWQDISC tbf': ENOENT },
    { 'RTM_NEWQDISC clsact': ENOENT, 'RTM_NEWTFILTER weft-limit': EINVAL },
  ]) {
    const make = (): void => new TrafficKeeper().make(kernel(refusals), limited, 1450, []);
    t.throws(make, { name: 'NetworkError', code: 'kernel', message: /^cannot limit bandwidth: .*ifb/ });
  }
  t.end();
});

t.test('what else the kernel refuses is an error, but not for a link that is gone', (t) => {
  const refused = { 'RTM_NEWTFILTER weft-guard': EPERM };
  t.throws(() => new TrafficKeeper().make(kernel(refused), guarded, 1450, []), { code: 'EPERM' });
  const keeper = new TrafficKeeper();
  keeper.ensure(
    kernel({ 'RTM_NEWQDISC clsact': ENODEV, 'RTM_NEWTFILTER weft-guard': ENODEV }),
    [guarded],
    1450,
  );
  t.equal(keeper.unguarded, undefined);
  t.end();
});
