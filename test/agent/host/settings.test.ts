import t from 'tap';
import { routingSysctls, listWrongSettings, SettingsKeeper } from '../../../agent/host/settings.ts';
import type { SettingsDoor } from '../../../agent/host/settings.ts';

const forwarding = { name: 'net/ipv4/ip_forward', value: '1' };

/** A kernel with these settings; `refuses` as in a container whose /proc/sys is read-only. */
function fakeKernel(values: Record<string, string>, refuses = false): SettingsDoor {
  return {
    read: (name) => values[name],
    write({ name, value }) {
      if (refuses) throw Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS' });
      values[name] = value;
    },
  };
}

t.test('what is as it shall be, or not in the kernel, is left alone', (t) => {
  const keeper = new SettingsKeeper(fakeKernel({ [forwarding.name]: '1' }));
  t.same(keeper.look([forwarding, { name: 'net/bridge/bridge-nf-call-iptables', value: '0' }]), []);
  t.end();
});

t.test('what somebody changed is put right, and told', (t) => {
  const values = { [forwarding.name]: '0' };
  const keeper = new SettingsKeeper(fakeKernel(values));
  t.match(keeper.look([forwarding]), [{ state: 'mended', found: /net\.ipv4\.ip_forward was 0.*set to 1/ }]);
  t.equal(values[forwarding.name], '1');
  t.same(keeper.look([forwarding]), []);
  t.end();
});

t.test('a setting that somebody keeps changing is a trouble until it rests for ten minutes', (t) => {
  const values: Record<string, string> = {};
  let now = 0;
  const keeper = new SettingsKeeper(fakeKernel(values), () => now);
  const states = [1, 2, 3].map(() => {
    values[forwarding.name] = '0';
    now += 60_000;
    return keeper.look([forwarding]).map(({ state }) => state);
  });
  t.same(states, [['mended'], ['mended'], ['trouble']]);
  t.match(keeper.look([forwarding]), [{ state: 'trouble', remedy: /grep -rs ip_forward \/etc\/sysctl/ }]);
  now += 600_001;
  t.same(keeper.look([forwarding]), []);
  t.end();
});

t.test('a setting that cannot be written is a trouble with its command', (t) => {
  const keeper = new SettingsKeeper(fakeKernel({ [forwarding.name]: '0' }, true));
  const [finding] = keeper.look([forwarding]);
  t.match(finding, {
    state: 'trouble',
    found: /cannot be changed from here/,
    remedy: 'sysctl -w net.ipv4.ip_forward=1',
  });
  t.end();
});

t.test('what the network wants is made so at once; of what was put right the next look tells, once', (t) => {
  const values: Record<string, string> = { [forwarding.name]: '0' };
  const keeper = new SettingsKeeper(fakeKernel(values));
  keeper.want([forwarding]);
  t.equal(values[forwarding.name], '1');
  t.match(keeper.look([]), [{ state: 'mended', found: /net\.ipv4\.ip_forward was 0/ }]);
  t.same(keeper.look([]), []);
  values[forwarding.name] = '0';
  t.match(keeper.look([]), [{ state: 'mended' }], 'and it is kept so');
  keeper.want([]);
  values[forwarding.name] = '0';
  t.same(keeper.look([]), [], 'until the network wants it no more');
  t.end();
});

t.test('the defaults of a link that was just made are nobody’s doing', (t) => {
  const strict = { name: 'net/ipv4/conf/weft0/rp_filter', value: '1' };
  const values: Record<string, string> = { [strict.name]: '0' };
  const keeper = new SettingsKeeper(fakeKernel(values));
  keeper.want([strict]);
  t.same([keeper.look([]), values[strict.name]], [[], '1']);
  values[strict.name] = '0';
  t.match(keeper.look([]), [{ state: 'mended', found: /weft0\.rp_filter was 0/ }], 'later it is');
  Reflect.deleteProperty(values, strict.name);
  t.same(keeper.look([]), []);
  values[strict.name] = '0';
  t.same([keeper.look([]), values[strict.name]], [[], '1'], 'made anew');
  t.end();
});

t.test('links that route pods’ packets must forward; ports of the bridge need not', (t) => {
  const links = [
    { name: 'weft0', master: 0 },
    { name: 'weftport', master: 7 },
    { name: 'weftrouted', master: 0 },
  ];
  t.same(
    routingSysctls('eth0', links, 'vxlan').map(({ name }) => name.split('/')[3]),
    ['weft0', 'weftrouted', 'eth0'],
  );
  t.end();
});

t.test('looking only changes nothing', (t) => {
  const values = { 'net/ipv4/conf/eth0.5/forwarding': '0' };
  const found = listWrongSettings(routingSysctls('eth0.5', [], 'vxlan'), fakeKernel(values));
  t.match(found, [{ state: 'trouble', remedy: 'sysctl -w net.ipv4.conf.eth0/5.forwarding=1' }]);
  t.same(values, { 'net/ipv4/conf/eth0.5/forwarding': '0' });
  t.match(listWrongSettings(routingSysctls('eth0', [], 'vxlan'), fakeKernel({})), [{ state: 'well' }]);
  t.end();
});
